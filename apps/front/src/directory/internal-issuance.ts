import { Inject, Injectable } from '@nestjs/common'
import { AppError, type ErrorCode } from '@app/core'
import { parseSubmitFlags } from '@app/cmc'
import { CONFIG, type Config } from '@app/platform'
import { CertificateStore, type CaRow } from '@app/storage'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { SubmissionService } from '../submission/submission.service.js'

/** Has internal certificates issued: by the pipeline, as any other, from the template that the settings name. */
@Injectable()
export class InternalIssuance {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly submissions: SubmissionService,
    private readonly certificates: CertificateStore,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * The certificate of a PKCS#10, DER. Throws why the request was refused, `template_unknown` when no CA offers the
   * template, `conflict` when the certificate is not issued at once.
   */
  async issue(requester: AuthenticatedRequester, csr: Uint8Array, idempotencyKey?: string): Promise<Uint8Array> {
    const template = this.config.directory.internalTemplate
    const ca = await this.caOffering(template, requester)
    const outcome = await this.submissions.submit(
      {
        caId: ca.id,
        requester: { id: requester.principal.id, name: requester.name },
        bytes: csr,
        flags: parseSubmitFlags(undefined),
        attributes: `CertificateTemplate:${template}`,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey })
      },
      1000 * this.config.limits.submitWaitSeconds
    )
    const issued = outcome.state === 'issued' ? await this.certificates.findByRequest(outcome.id) : undefined
    if (issued?.certificate != null) return issued.certificate
    if (outcome.failureCode !== null) {
      throw new AppError(outcome.failureCode as ErrorCode, outcome.dispositionMessage, { requestId: outcome.id })
    }
    throw new AppError('conflict', `Request ${outcome.id} for the internal certificate is not issued at once.`, {
      state: outcome.state
    })
  }

  private async caOffering(template: string, { credential }: AuthenticatedRequester): Promise<CaRow> {
    for (const ca of await this.authorities.list()) {
      const isUsable = (credential?.caId ?? ca.id) === ca.id
      const offered = isUsable ? await this.authorities.templatesOf(ca) : []
      if (offered.some(({ name }) => name.toLowerCase() === template.toLowerCase())) return ca
    }
    throw new AppError('template_unknown', `No CA offers the template "${template}" of internal certificates.`)
  }
}
