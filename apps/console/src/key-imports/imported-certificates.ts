import { createHash, randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type CaId, type Clock, type PrincipalId, type TemplateId } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { accountNameOf, CLOCK } from '@app/platform'
import { requireImportable } from '@app/policy'
import {
  CaStore,
  CertificateStore,
  RequestStore,
  TemplateStore,
  type CertificateRow,
  type NewKeyImport,
  type RequestRow
} from '@app/storage'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import type { ImportBody } from './key-imports.schemas.js'

/** Judges the certificates of keys that are to be imported. */
@Injectable()
export class ImportedCertificates {
  constructor(
    private readonly cas: CaStore,
    private readonly certificates: CertificateStore,
    private readonly requests: RequestStore,
    private readonly templates: TemplateStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The import that a call asks for. Throws `not_found` for a template or account that is not there, and
   * `invalid_argument` for what cannot be imported.
   */
  async importOf(body: ImportBody, caId: CaId, operator: AuthenticatedOperator): Promise<NewKeyImport> {
    const certificate = decodeCertificate(decodeDerPemOrBase64(Buffer.from(body.certificate, 'latin1')))
    requireArchivable(certificate)
    // 1. Whether the CA has issued it, signed it, or knows nothing of it.
    const record = await this.recordOf(certificate, caId)
    const issuers = (await this.cas.listCertificates(caId)).map(row => decodeCertificate(row.certificate))
    const isOnRecord = record !== undefined
    const isForeign = requireImportable({ certificate, isOnRecord, issuers, allowForeign: body.foreign })
    // 2. By which settings its key is archived, and whose it is.
    const request = record === undefined ? undefined : await this.requests.get(record.requestId)
    const templateId = await this.templateOf(body.template, record, request)
    const owner = await this.ownerOf(body.owner, request, operator)
    return {
      id: body.id ?? randomUUID(),
      caId,
      certificate: certificate.raw,
      subject: formatName(certificate.subject),
      issuer: certificate.issuer.raw,
      serialNumber: certificate.serialNumber,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      sha1: createHash('sha1').update(certificate.raw).digest(),
      publicKey: certificate.publicKey.raw,
      keyId: certificate.publicKey.keyId,
      isForeign,
      templateId,
      replaces: body.replace,
      ...owner,
      receivedAt: this.clock.now()
    }
  }

  private async recordOf(certificate: Certificate, caId: CaId): Promise<CertificateRow | undefined> {
    const found = await this.certificates.findByFingerprint(createHash('sha256').update(certificate.raw).digest())
    return found?.caId === caId ? found : undefined
  }

  /** A template that is named counts; else that of the certificate. */
  private async templateOf(
    name: string | undefined,
    record: CertificateRow | undefined,
    request: RequestRow | undefined
  ): Promise<TemplateId> {
    if (name === undefined) {
      if (record?.archival === true && request?.templateId != null) return request.templateId
      throw new AppError(
        'invalid_argument',
        'The certificate was made of no template that archives; name the template whose archival settings apply.',
        { field: 'template' }
      )
    }
    const template = await this.templates.findActive(name)
    if (template === undefined) throw new AppError('not_found', `There is no active template "${name.slice(0, 100)}".`)
    if (template.archival) return template.id
    throw new AppError('invalid_argument', `The template ${template.name} archives no keys.`, { field: 'template' })
  }

  private async ownerOf(
    account: string | undefined,
    request: RequestRow | undefined,
    operator: AuthenticatedOperator
  ): Promise<{ readonly ownerId: PrincipalId | null; readonly ownerName: string }> {
    if (request !== undefined) {
      if (account === undefined) return { ownerId: request.requesterId, ownerName: request.requesterName }
      throw new AppError('invalid_argument', 'Whose certificate it is, is known: this CA issued it. Name no owner.', {
        field: 'owner'
      })
    }
    if (account === undefined) return { ownerId: null, ownerName: operator.name }
    const principal = await this.named.account(account)
    return { ownerId: principal.id, ownerName: accountNameOf(principal) }
  }
}

function requireArchivable({ publicKey }: Certificate): void {
  if (publicKey.algorithm === 'rsa' || publicKey.curve !== undefined) return
  throw new AppError('public_key_unsupported', 'Only RSA and NIST curve keys are archived.', {
    algorithm: publicKey.algorithm
  })
}
