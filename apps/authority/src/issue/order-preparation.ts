import { isIP } from 'node:net'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Entropy, type TemplateId } from '@app/core'
import { decodeStoredRequest } from '@app/cmc'
import {
  newSerialNumber,
  prepareCertificate,
  prepareExchangeCertificate,
  prepareRecoveryAgentCertificate,
  prepareServerCertificate,
  type Issuer,
  type PreparedCertificate
} from '@app/issuance'
import { CONFIG, ENTROPY, type Config } from '@app/platform'
import type { CertificateTemplate } from '@app/templates'
import { TemplateStore, type PrincipalRow, type RequestRow } from '@app/storage'
import { decodePublicKey, type PublicKeyInfo } from '@app/x509'
import type { IssuingCa } from '../ca/ca-registry.js'
import { requesterOf } from '../evaluate/policy-facts.js'

/** How long the certificate of the program's own listener lasts. */
const serverValiditySeconds = 90 * 86_400

/** Turns an approved request into the exact certificate to be signed. */
@Injectable()
export class OrderPreparation {
  private readonly known = new Map<TemplateId, CertificateTemplate>()

  constructor(
    private readonly templates: TemplateStore,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Throws `lint_failed`, `subject_…` and `ca_certificate_invalid`, after which the request has failed. */
  async prepare(
    row: RequestRow,
    principal: PrincipalRow | undefined,
    ca: IssuingCa,
    now: Date
  ): Promise<PreparedCertificate> {
    if (principal === undefined) {
      throw new AppError('enroll_denied', `The account ${row.requesterName} is gone or disabled.`)
    }
    const publicKey = publicKeyOf(row)
    const common = { issuer: issuerOf(ca), publicKey, serialNumber: newSerialNumber(this.entropy), now }
    if (principal.kind === 'system') return this.prepareInternal(row, common)
    const template = await this.template(row)
    const { subject, extensions } = decodeStoredRequest(row.rawRequest)
    const request = { subject, extensions, publicKey }
    return prepareCertificate({ ...common, template, requester: requesterOf(principal), request })
  }

  /** A version of a template never changes, so it is read once. */
  private async template(row: RequestRow): Promise<CertificateTemplate> {
    const known = row.templateId === null ? undefined : this.known.get(row.templateId)
    if (known !== undefined) return known
    const found = row.templateId === null ? undefined : await this.templates.find(row.templateId)
    if (found === undefined) throw new AppError('template_unknown', 'The template of the request is gone.')
    this.known.set(found.id, found.definition)
    return found.definition
  }

  private prepareInternal(row: RequestRow, common: Common): PreparedCertificate {
    switch (row.templateName) {
      case 'CAExchange':
        return prepareExchangeCertificate(common)
      case 'KeyRecoveryAgent': {
        const { subject } = decodeStoredRequest(row.rawRequest)
        if (subject === undefined) throw new AppError('subject_missing', 'A recovery agent needs a name.')
        return prepareRecoveryAgentCertificate({ ...common, subject: subject.raw })
      }
      case 'WebServer': {
        const { hostNames } = this.config
        return prepareServerCertificate({
          ...common,
          dnsNames: hostNames.filter(name => isIP(name) === 0),
          ipAddresses: hostNames.filter(name => isIP(name) !== 0),
          validitySeconds: serverValiditySeconds
        })
      }
      default:
        throw new AppError(
          'template_unknown',
          `The installation makes no certificate for ${row.templateName ?? 'no template'}.`
        )
    }
  }
}

interface Common {
  readonly issuer: Issuer
  readonly publicKey: PublicKeyInfo
  readonly serialNumber: Uint8Array
  readonly now: Date
}

function publicKeyOf(row: RequestRow): PublicKeyInfo {
  if (row.publicKey === null) throw new AppError('internal', `Request ${row.id} was approved without a key.`)
  return decodePublicKey(row.publicKey)
}

function issuerOf(ca: IssuingCa): Issuer {
  return {
    certificate: ca.certificate,
    scheme: ca.signer.scheme,
    crlUrls: [ca.urls.crl],
    caIssuersUrls: [ca.urls.certificate],
    ocspUrls: []
  }
}
