import { Injectable } from '@nestjs/common'
import { AppError, toBase64, type RequestId } from '@app/core'
import { decodeFullResponse, findProperty, FR_PROPERTIES, readFullResponseProperty } from '@app/cmc'
import { ResponseStore } from '@app/storage'
import type { PropertyView } from './enrollment.schemas.js'
import { OwnRequests, type RequestCall } from './own-requests.js'
import { isAnswerDue, type Answered } from './request-view.js'

/** The signed full responses and their properties (GetFullResponseProperty). */
@Injectable()
export class FullResponses {
  constructor(
    private readonly own: OwnRequests,
    private readonly responses: ResponseStore
  ) {}

  /** DER. Throws `not_found` until there is one. */
  async get(call: RequestCall): Promise<Uint8Array> {
    const { row } = await this.own.get(call)
    return this.of(row)
  }

  /**
   * The full response of a request that the caller has been shown to own. Throws `not_found` until there is one, and
   * `unavailable` while that of its state is being made: who was told "denied" is not given the signed "pending" from before.
   */
  async of(row: Answered & { readonly id: RequestId }): Promise<Uint8Array> {
    if (isAnswerDue(row)) {
      throw new AppError(
        'unavailable',
        `The full response that says what became of request ${row.id} is being made. Ask again.`
      )
    }
    const response = await this.responses.find(row.id)
    if (response === undefined) {
      throw new AppError('not_found', `Request ${row.id} has no full response yet. Ask again in a moment.`)
    }
    return response.fullResponse
  }

  /** A property of the full response, by FR_PROP number or name. Throws `invalid_argument`, `property_empty`. */
  async property(call: RequestCall, idOrName: string, index: number): Promise<PropertyView> {
    const entry = findProperty(FR_PROPERTIES, idOrName)
    if (entry === undefined) {
      throw new AppError('invalid_argument', `"${idOrName}" is no property of a full response (FR_PROP_*).`)
    }
    const { row } = await this.own.get(call)
    const response = decodeFullResponse(await this.of(row))
    const value = readFullResponseProperty(response, entry.id, index)
    const { id, name, type } = entry
    return { id, name, type, index, value: plain(value) }
  }
}

function plain(value: string | number | Date | Uint8Array): string | number {
  if (value instanceof Uint8Array) return toBase64(value)
  return value instanceof Date ? value.toISOString() : value
}
