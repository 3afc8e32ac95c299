import { Injectable } from '@nestjs/common'
import { AppError, attempt, isAppError } from '@app/core'
import { decodePendToken, findPendingQuery, findRevocationRequest, type PendingQuery } from '@app/cmc'
import type { RequestOutcome } from '@app/storage'
import { decodePublicKey } from '@app/x509'
import { CmcRevocation } from './cmc-revocation.js'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import { requireScope } from '../enrollment/access.js'
import { EnrollmentService, type SubmitCall } from '../enrollment/enrollment.service.js'
import { FullResponses } from '../enrollment/full-responses.js'
import { OwnRequests } from '../enrollment/own-requests.js'
import { isSettled } from '../enrollment/request-view.js'

/**
 * Answers CMC messages: a new request with its outcome, a queryPending control with what it asks for, a revokeRequest
 * control with its success.
 */
@Injectable()
export class CmcService {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly enrollment: EnrollmentService,
    private readonly own: OwnRequests,
    private readonly revocation: CmcRevocation,
    private readonly fullResponses: FullResponses
  ) {}

  /**
   * The signed full response, DER. A message that cannot be decoded gets one too, with its request id, and so does one
   * that asks for what it may not have. Throws `not_found` for an unknown CA, `access_denied`, and `unavailable` when no
   * outcome is known in time; the same message sent again then gets it.
   */
  async exchange(call: SubmitCall): Promise<Uint8Array> {
    const ca = await this.authorities.get(call.caName, call.requester)
    // A message that is broken is neither a query nor a revocation; recorded as a request, it gets its answer there.
    const query = attempt(() => findPendingQuery(call.bytes))
    const revocation = attempt(() => findRevocationRequest(call.bytes))
    try {
      if (query !== undefined) return await this.answerQuery(call, query)
      if (revocation === undefined) return await this.submit(call)
      requireScope(call.requester, 'enroll')
      return await this.revocation.answer({ ...call, ca }, revocation)
    } catch (error) {
      const isSubmission = query === undefined && revocation === undefined
      if (!isAppError(error) || !isRefusal(error, isSubmission)) throw error
      return this.answered(await this.enrollment.refuse(call, error))
    }
  }

  private async submit(call: SubmitCall): Promise<Uint8Array> {
    return this.answered((await this.enrollment.record(call)).row)
  }

  private answered(row: RequestOutcome): Promise<Uint8Array> {
    if (isSettled(row)) return this.fullResponses.of(row)
    throw new AppError(
      'unavailable',
      `Request ${row.id} has been taken and is not answered yet. Send it again in a moment.`
    )
  }

  /** RFC 10002 (RFC 5272), 6.13: the token is the request id; the key that was requested must sign the question. */
  private async answerQuery(call: SubmitCall, query: PendingQuery): Promise<Uint8Array> {
    const id = decodePendToken(query.token)
    if (id === undefined) {
      throw new AppError('not_found', 'The message asks after a request with a token that this CA did not give.')
    }
    const { row } = await this.own.get({ caName: call.caName, id, requester: call.requester })
    if (row.publicKey !== null) query.verify(decodePublicKey(row.publicKey), { allowSha1: row.proofDigest === 'sha1' })
    return this.fullResponses.of(row)
  }
}

/** Every other error is one of the call, not of the message, and is told by HTTP. */
function isRefusal({ code }: AppError, isSubmission: boolean): boolean {
  return isSubmission ? code === 'replayed_transaction' : code !== 'internal' && code !== 'unavailable'
}
