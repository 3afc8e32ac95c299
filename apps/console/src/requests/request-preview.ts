import { Injectable } from '@nestjs/common'
import { AppError, asId, SYSTEM_PRINCIPAL, type RequestId } from '@app/core'
import { comparableAttributeName, decodeStoredRequest, parseRequestAttributes } from '@app/cmc'
import { previewCertificate, type CertificatePreview } from '@app/issuance'
import { applyOfficerEdits } from '@app/policy'
import {
  DecisionStore,
  officerEditOf,
  PrincipalStore,
  requesterOf,
  RequestStore,
  TemplateStore,
  type PrincipalRow,
  type RequestRow
} from '@app/storage'
import type { CertificateTemplate } from '@app/templates'
import { decodeCertificate } from '@app/x509'
import type { AuthenticatedOperator } from '../access/operator.js'
import { CaIssuers } from './ca-issuers.js'
import { RequestAccess } from './request-access.js'

/** What a pending request would come to, made as the authority makes it, and without its key. */
@Injectable()
export class RequestPreview {
  constructor(
    private readonly requests: RequestStore,
    private readonly decisions: DecisionStore,
    private readonly templates: TemplateStore,
    private readonly principals: PrincipalStore,
    private readonly access: RequestAccess,
    private readonly issuers: CaIssuers
  ) {}

  /**
   * The certificate that a request would get now, field by field beside what it asks for and what officers have set.
   * Throws `not_found` for one that the operator may not see, `conflict` for one that was judged by no template or whose
   * bytes are not kept.
   */
  async show(id: number, operator: AuthenticatedOperator): Promise<CertificatePreview> {
    const requestId = asId<RequestId>(id)
    await this.access.readable(requestId, operator)
    const row = await this.requests.get(requestId)
    const template = row.templateId === null ? undefined : (await this.templates.find(row.templateId))?.definition
    if (template === undefined || row.publicKey === null || row.rawRequest.length === 0) {
      throw new AppError('conflict', `Request ${id} has nothing to make a certificate from: ${row.dispositionMessage}`)
    }
    const requester = row.requesterId === null ? undefined : await this.principals.find(row.requesterId)
    return this.preview(row, template, requester)
  }

  private async preview(
    row: RequestRow,
    template: CertificateTemplate,
    principal: PrincipalRow | undefined
  ): Promise<CertificatePreview> {
    const issuer = await this.issuers.get(row.caId)
    const now = this.issuers.now()
    const stored = decodeStoredRequest(row.rawRequest)
    const attributes = parseRequestAttributes(row.requestAttributes)
    const edits = ((await this.decisions.findEdits([row.id])).get(row.id) ?? []).map(officerEditOf)
    const edited = applyOfficerEdits(template, stored, edits, now)
    const set = new Set(edited.attributes.map(({ name }) => comparableAttributeName(name)))
    const others = attributes.filter(({ name }) => !set.has(comparableAttributeName(name)))
    return previewCertificate({
      template: edited.template,
      ...(principal === undefined || principal.id === SYSTEM_PRINCIPAL ? {} : { requester: requesterOf(principal) }),
      request: { ...stored, requestAttributes: attributes },
      ...(stored.renewedCertificate === undefined ? {} : { renewed: decodeCertificate(stored.renewedCertificate) }),
      ...(edits.length === 0
        ? {}
        : { edited: { extensions: edited.extensions, requestAttributes: [...others, ...edited.attributes] } }),
      issuer,
      now
    })
  }
}
