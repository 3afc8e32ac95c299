import { Injectable } from '@nestjs/common'
import { AppError, asId, type RequestId } from '@app/core'
import { RequestStore, type CaRow, type RequestRow } from '@app/storage'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import type { AuthenticatedRequester } from '../requester/requester.js'

/** Which request a call is about. */
export interface RequestCall {
  readonly caName: string
  readonly id: number
  readonly requester: AuthenticatedRequester
}

/** Finds requests for those they are for and those who submitted them, and for nobody else. */
@Injectable()
export class OwnRequests {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly requests: RequestStore
  ) {}

  /** Throws `not_found` for another's request as for one that does not exist. */
  async get(call: RequestCall): Promise<{ readonly ca: CaRow; readonly row: RequestRow }> {
    const { caName, id, requester } = call
    const ca = await this.authorities.get(caName, requester)
    const row = await this.requests.find(asId<RequestId>(id))
    const isOwn = row?.requesterId === requester.principal.id || row?.callerId === requester.principal.id
    if (row === undefined || row.caId !== ca.id || !isOwn) {
      throw new AppError('not_found', `There is no request ${id} of yours at "${ca.name}".`)
    }
    return { ca, row }
  }
}
