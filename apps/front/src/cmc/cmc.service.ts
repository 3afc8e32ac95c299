import { Injectable } from '@nestjs/common'
import { AppError } from '@app/core'
import { findPendingQuery } from '@app/cmc'
import { EnrollmentService, type SubmitCall } from '../enrollment/enrollment.service.js'
import { FullResponses } from '../enrollment/full-responses.js'
import { isSettled } from '../enrollment/request-view.js'

/** Answers CMC messages: a new request with its outcome, a queryPending control with what it asks for. */
@Injectable()
export class CmcService {
  constructor(
    private readonly enrollment: EnrollmentService,
    private readonly fullResponses: FullResponses
  ) {}

  /**
   * The signed full response, DER. A message that cannot be decoded gets one too, with its request id.
   * Throws `unavailable` when no outcome is known in time; the same message sent again then gets it.
   */
  async exchange(call: SubmitCall): Promise<Uint8Array> {
    const pending = findPendingQuery(call.bytes)
    if (pending !== undefined) {
      return this.fullResponses.get({ caName: call.caName, id: pending.requestId, requester: call.requester })
    }
    const { row } = await this.enrollment.record(call)
    if (!isSettled(row)) {
      throw new AppError(
        'unavailable',
        `Request ${row.id} has been taken and is not answered yet. Send it again in a moment.`
      )
    }
    return this.fullResponses.of(row.id)
  }
}
