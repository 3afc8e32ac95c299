import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, toBase64 } from '@app/core'
import { formatHresult, hresultOf } from '@app/cmc'
import { decodeDerPemOrBase64 } from '@app/der'
import type { SubmitArguments } from '@app/messaging'
import { accountNameOf, CONFIG, type Config } from '@app/platform'
import { PrincipalStore } from '@app/storage'
import { EnrollmentService } from '../../enrollment/enrollment.service.js'
import type { RequestView } from '../../enrollment/enrollment.schemas.js'
import { FullResponses } from '../../enrollment/full-responses.js'
import type { AuthenticatedRequester } from '../../requester/requester.js'

/** How long a call waits for the outcome of its request; what is not decided then is asked after by its id. */
const LONGEST_WAIT_SECONDS = 10

/** What the sender of a request is answered. */
export type SubmitAnswer =
  | { readonly request: RequestView; /** DER, base64. */ readonly fullResponse?: string }
  | { readonly problem: { readonly code: string; readonly hresult: string; readonly detail: string } }

/** A verified call of Submit. */
export interface SubmitCallMessage {
  /** The sender's, verified. */
  readonly sid: string
  readonly messageId: string
  readonly args: SubmitArguments
}

/** Submits what comes as a call, as if its sender had sent it over HTTP. */
@Injectable()
export class CallSubmission {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly enrollment: EnrollmentService,
    private readonly responses: FullResponses,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * Records the request and waits a while for its outcome. The id of the message is the idempotency key: a call that is
   * delivered twice has one request. Throws why it is not recorded.
   */
  async submit({ sid, messageId, args }: SubmitCallMessage): Promise<SubmitAnswer> {
    const requester = await this.requesterOf(sid)
    const request = await this.enrollment.submit({
      caName: args.ca,
      requester,
      bytes: decodeDerPemOrBase64(Buffer.from(args.request, 'utf8')),
      flags: args.flags,
      attributes: args.attributes,
      idempotencyKey: messageId,
      wait: 1000 * Math.min(LONGEST_WAIT_SECONDS, this.config.limits.submitWaitSeconds)
    })
    const fullResponse = await this.responseOf({ caName: args.ca, id: request.requestId, requester })
    return { request, ...(fullResponse === undefined ? {} : { fullResponse: toBase64(fullResponse) }) }
  }

  /** The answer that tells of an error. */
  refuse({ code, message }: AppError): SubmitAnswer {
    return { problem: { code, hresult: formatHresult(hresultOf(code).value), detail: message } }
  }

  /** The certificate that the message was signed with is registered for the account, which stands for a credential. */
  private async requesterOf(sid: string): Promise<AuthenticatedRequester> {
    const principal = await this.principals.findBySid(sid)
    if (principal?.disabledAt === null) return { principal, name: accountNameOf(principal) }
    throw new AppError('access_denied', 'The sender of the call has no account, or a disabled one.')
  }

  private async responseOf(call: Parameters<FullResponses['get']>[0]): Promise<Uint8Array | undefined> {
    try {
      return await this.responses.get(call)
    } catch (error) {
      if (isAppError(error, 'not_found')) return undefined
      throw error
    }
  }
}
