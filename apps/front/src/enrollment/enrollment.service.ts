import { Injectable } from '@nestjs/common'
import { AppError } from '@app/core'
import { CR_IN, parseSubmitFlags } from '@app/cmc'
import { CertificateStore, type CaRow, type RequestOutcome } from '@app/storage'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import type { Submission } from '../submission/new-request.js'
import { SubmissionService } from '../submission/submission.service.js'
import { requireScope } from './access.js'
import type { RequestView } from './enrollment.schemas.js'
import { OwnRequests, type RequestCall } from './own-requests.js'
import { requestView } from './request-view.js'

/** What a Submit call brings. */
export interface SubmitCall {
  readonly caName: string
  readonly requester: AuthenticatedRequester
  readonly bytes: Uint8Array
  readonly flags?: number | readonly string[]
  readonly attributes?: string
  readonly idempotencyKey?: string
  /** Milliseconds. */
  readonly wait: number
}

/** The rules of ICertRequest over HTTP (MS-WCCE 3.2.1.4): who may submit where, and who may see which request. */
@Injectable()
export class EnrollmentService {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly submissions: SubmissionService,
    private readonly own: OwnRequests,
    private readonly certificates: CertificateStore
  ) {}

  /** Submits and answers the request as it is after at most `wait` milliseconds. */
  async submit(call: SubmitCall): Promise<RequestView> {
    const { ca, row } = await this.record(call)
    return requestView(row, ca)
  }

  /** As {@link submit}, answering the row: for edges that answer in another form. */
  async record(call: SubmitCall): Promise<{ readonly ca: CaRow; readonly row: RequestOutcome }> {
    const { ca, submission } = await this.admit(call)
    return { ca, row: await this.submissions.submit(submission, call.wait) }
  }

  /** Records a message that is refused although it can be read, so that it gets a signed answer. Answers the row. */
  async refuse(call: SubmitCall, failure: AppError): Promise<RequestOutcome> {
    const { submission } = await this.admit(call)
    return this.submissions.refuse(submission, failure, call.wait)
  }

  private async admit(call: SubmitCall): Promise<{ readonly ca: CaRow; readonly submission: Submission }> {
    const { requester } = call
    const ca = await this.authorities.get(call.caName, requester)
    requireScope(requester, 'enroll')
    const submission = {
      caId: ca.id,
      requester: { id: requester.principal.id, name: requester.name },
      bytes: call.bytes,
      flags: parseSubmitFlags(flagsOf(call)),
      attributes: call.attributes ?? '',
      ...(call.idempotencyKey === undefined ? {} : { idempotencyKey: call.idempotencyKey })
    }
    return { ca, submission }
  }

  /** What became of a request, waiting at most `wait` milliseconds for a decision and its outcome. */
  async retrieve(call: RequestCall, wait: number): Promise<RequestView> {
    const { ca, row } = await this.own.get(call)
    return requestView(await this.submissions.resolution(row.id, wait), ca)
  }

  /** The issued certificate and the CA's chain. Throws `not_found` when there is none. */
  async certificate(
    call: RequestCall
  ): Promise<{ readonly certificate: Uint8Array; readonly chain: readonly Uint8Array[] }> {
    const { ca, row } = await this.own.get(call)
    const issued = await this.certificates.findByRequest(row.id)
    if (issued?.certificate == null) {
      throw new AppError('not_found', `No certificate has been issued for request ${row.id}.`)
    }
    return { certificate: issued.certificate, chain: await this.authorities.chainOf(ca, issued.certIndex) }
  }

  /** Denies a pending request on the wish of its requester. Throws `conflict` when it is not pending any more. */
  async withdraw(call: RequestCall): Promise<void> {
    const { row } = await this.own.get(call)
    requireScope(call.requester, 'enroll')
    await this.submissions.withdraw(row, { id: call.requester.principal.id, name: call.requester.name })
  }
}

/** A row whose requester nothing but the old key authenticates says so, whichever way it came in. */
function flagsOf({ flags, requester }: SubmitCall): SubmitCall['flags'] {
  if (requester.isByRenewal !== true) return flags
  return (parseSubmitFlags(flags).value | CR_IN.CR_IN_ROBO) >>> 0
}
