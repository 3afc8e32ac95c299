import { isIP } from 'node:net'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Entropy, type TemplateId } from '@app/core'
import { decodeStoredRequest, findRequestAttributes, parseRequestAttributes } from '@app/cmc'
import {
  newSerialNumber,
  prepareCertificate,
  prepareExchangeCertificate,
  prepareOcspCertificate,
  prepareRecoveryAgentCertificate,
  prepareServerCertificate,
  type Issuer,
  type PreparedCertificate
} from '@app/issuance'
import { CONFIG, certificateUrls, ENTROPY, LOG, rowFailure, type Config, type Logger } from '@app/platform'
import { applyOfficerEdits, type OfficerEdit } from '@app/policy'
import type { CertificateTemplate } from '@app/templates'
import { requesterOf, TemplateStore, type PrincipalRow, type RequestMove, type RequestRow } from '@app/storage'
import { decodeCertificate, decodePublicKey, type PublicKeyInfo } from '@app/x509'
import { CaRegistry, type IssuingCa } from '../ca/ca-registry.js'
import type { Order } from './completion.js'

/** How long the certificate of the program's own listener lasts. */
const serverValiditySeconds = 90 * 86_400

/** A request that cannot be signed again and again is given up; each attempt has spent a serial number. */
const mostAttempts = 5
const because = { actor: 'role:authority' }

/** Why a request gets no certificate. */
export interface Refusal {
  readonly refusal: RequestMove
}

/** Turns an approved request into the exact certificate to be signed. */
@Injectable()
export class OrderPreparation {
  private readonly known = new Map<TemplateId, CertificateTemplate>()

  constructor(
    private readonly registry: CaRegistry,
    private readonly templates: TemplateStore,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** The certificate to be signed, or why there will be none. Throws what passes by itself. */
  async prepare(
    row: RequestRow,
    principal: PrincipalRow | undefined,
    edits: readonly OfficerEdit[],
    now: Date
  ): Promise<Order | Refusal> {
    try {
      if (row.attempts >= mostAttempts) {
        throw new AppError('internal', `Request ${row.id} could not be issued in ${row.attempts} attempts.`)
      }
      if (principal === undefined) {
        throw new AppError('enroll_denied', `The account ${row.requesterName} is gone or disabled.`)
      }
      const isOwn = principal.kind === 'system'
      const ca = isOwn ? await this.issuingCa(row) : await this.registry.get(row.caId)
      const prepared = isOwn
        ? this.prepareInternal(row, ca, now)
        : await this.prepareFor(row, principal, edits, ca, now)
      return { row, ca, prepared, principalId: isOwn ? null : principal.id }
    } catch (error) {
      const { code, message } = rowFailure(error, row, this.log)
      const failure = { code, message }
      return {
        refusal: {
          id: row.id,
          from: row.state,
          to: 'failed',
          because,
          failure,
          dispositionMessage: `Error: ${message}`
        }
      }
    }
  }

  private async prepareFor(
    row: RequestRow,
    principal: PrincipalRow,
    edits: readonly OfficerEdit[],
    ca: IssuingCa,
    now: Date
  ): Promise<PreparedCertificate> {
    const common = this.commonTo(row, ca, now)
    const stored = decodeStoredRequest(row.rawRequest)
    const { template, extensions } = applyOfficerEdits(await this.template(row), stored, edits, now)
    const request = { subject: stored.subject, extensions, publicKey: common.publicKey }
    const { renewedCertificate } = stored
    const renewed = renewedCertificate === undefined ? {} : { renewed: decodeCertificate(renewedCertificate) }
    return prepareCertificate({ ...common, ...renewed, template, requester: requesterOf(principal), request })
  }

  private commonTo(row: RequestRow, ca: IssuingCa, now: Date): Common {
    return {
      issuer: issuerOf(ca, this.config),
      publicKey: publicKeyOf(row),
      serialNumber: newSerialNumber(this.entropy),
      now
    }
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

  /** A responder tells of the certificates of one key, and must be certified with that (RFC 6960, 4.2.2.2). */
  private issuingCa({ caId, templateName, requestAttributes }: RequestRow): Promise<IssuingCa> {
    if (templateName !== 'OCSPResponseSigning') return this.registry.get(caId)
    const [keyIndex] = findRequestAttributes(parseRequestAttributes(requestAttributes), 'KeyIndex')
    return this.registry.getKey(caId, Number(keyIndex))
  }

  private prepareInternal(row: RequestRow, ca: IssuingCa, now: Date): PreparedCertificate {
    const common = this.commonTo(row, ca, now)
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
      case 'OCSPResponseSigning':
        return prepareOcspCertificate({ ...common, validitySeconds: this.config.ocsp.certificateHours * 3600 })
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

function issuerOf(ca: IssuingCa, config: Config): Issuer {
  return { certificate: ca.certificate, scheme: ca.signer.scheme, ...certificateUrls(config, ca.urls) }
}
