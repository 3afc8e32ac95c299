import { Injectable } from '@nestjs/common'
import { AppError, isAppError } from '@app/core'
import { findPendingQuery, type PendingQuery } from '@app/cmc'
import { decodePublicKey } from '@app/x509'
import { EnrollmentService, type SubmitCall } from '../enrollment/enrollment.service.js'
import { FullResponses } from '../enrollment/full-responses.js'
import { OwnRequests } from '../enrollment/own-requests.js'
import { isSettled } from '../enrollment/request-view.js'

/** Answers CMC messages: a new request with its outcome, a queryPending control with what it asks for. */
@Injectable()
export class CmcService {
  constructor(
    private readonly enrollment: EnrollmentService,
    private readonly own: OwnRequests,
    private readonly fullResponses: FullResponses
  ) {}

  /**
   * The signed full response, DER. A message that cannot be decoded gets one too, with its request id.
   * Throws `unavailable` when no outcome is known in time; the same message sent again then gets it.
   */
  async exchange(call: SubmitCall): Promise<Uint8Array> {
    const query = pendingQueryIn(call.bytes)
    if (query !== undefined) return this.answerQuery(call, query)
    const { row } = await this.enrollment.record(call)
    if (!isSettled(row)) {
      throw new AppError(
        'unavailable',
        `Request ${row.id} has been taken and is not answered yet. Send it again in a moment.`
      )
    }
    return this.fullResponses.of(row.id)
  }

  /** RFC 10002 (RFC 5272), 6.13: the token is the request id; the key that was requested must sign the question. */
  private async answerQuery(call: SubmitCall, query: PendingQuery): Promise<Uint8Array> {
    const token = Buffer.from(query.token).toString('latin1')
    if (!/^[1-9]\d{0,9}$/.test(token)) {
      throw new AppError('not_found', 'The message asks after a request with a token that this CA did not give.')
    }
    const { row } = await this.own.get({ caName: call.caName, id: Number(token), requester: call.requester })
    if (row.publicKey !== null) query.verify(decodePublicKey(row.publicKey), { allowSha1: row.proofDigest === 'sha1' })
    return this.fullResponses.of(row.id)
  }
}

/** A message that is broken is no query; recorded as a request, it gets its answer there. */
function pendingQueryIn(bytes: Uint8Array): PendingQuery | undefined {
  try {
    return findPendingQuery(bytes)
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}
