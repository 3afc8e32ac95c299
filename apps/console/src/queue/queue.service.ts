import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, fromHex, isAppError, type Clock, type RequestId } from '@app/core'
import { decodeStoredRequest, inspectRequest, parseRequestAttributes, type InspectedRequest } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { QueueStore, RequestStore, type QueueFilter, type RequestRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { RequestAccess } from '../requests/request-access.js'
import { altNamesOf, itemOf } from '../requests/request-views.js'
import { RequestHistory } from '../requests/request-history.js'
import type { QueueDetail, QueueQuery, QueueView } from './queue.schemas.js'

/** Looking at requests: the list, and one of them with all that a decision may rest on. */
@Injectable()
export class QueueService {
  constructor(
    private readonly queue: QueueStore,
    private readonly requests: RequestStore,
    private readonly history: RequestHistory,
    private readonly access: RequestAccess,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of the requests of the CAs whose requests the operator may see. */
  async list(query: QueueQuery, operator: AuthenticatedOperator): Promise<QueueView> {
    const { order, limit, cursor } = query
    const filter = await this.filterOf(query, operator)
    const from = cursor === undefined ? {} : { cursor: asId<RequestId>(cursor) }
    const page = await this.queue.list(filter, { order, limit, ...from })
    const caName = await this.named.caNames()
    return pageOfViews(page, row => itemOf(row, caName))
  }

  /** A request decoded, its decisions and edits, its part of the audit log, and what its requester had before. */
  async show(id: number, operator: AuthenticatedOperator): Promise<QueueDetail> {
    const requestId = asId<RequestId>(id)
    const item = await this.access.item(requestId, operator)
    const row = await this.requests.get(requestId)
    const history = await this.history.of(row, await this.access.readableCas(operator, undefined))
    return {
      ...item,
      format: row.format,
      requestAttributes: attributesOf(row),
      ...(await decoded(row)),
      ...history
    }
  }

  private async filterOf(query: QueueQuery, operator: AuthenticatedOperator): Promise<QueueFilter> {
    const { state, ca, template, requester, subject, keyId, submittedFrom, submittedUntil, olderThan } = query
    const caIds = await this.access.readableCas(operator, ca)
    const isOfAll = ca === undefined && requester === undefined && operator.may('request.read', null)
    const requesterId = requester === undefined ? undefined : (await this.named.account(requester)).id
    const until = [
      ...(submittedUntil === undefined ? [] : [Date.parse(submittedUntil)]),
      ...(olderThan === undefined ? [] : [this.clock.now().getTime() - olderThan * 1000])
    ]
    return {
      ...(isOfAll ? {} : { caIds }),
      ...(state.includes('all') ? {} : { states: state.filter(one => one !== 'all') }),
      ...(template === undefined ? {} : { templateName: template }),
      ...(requesterId === undefined ? {} : { requesterId }),
      ...(subject === undefined ? {} : { ...searchable(state), subject }),
      ...(keyId === undefined ? {} : { keyId: fromHex(keyId) as Uint8Array }),
      ...(submittedFrom === undefined ? {} : { submittedFrom: new Date(submittedFrom) }),
      ...(until.length === 0 ? {} : { submittedUntil: new Date(Math.min(...until)) })
    }
  }
}

/** Words of subjects are kept for what somebody has something to decide about; certificates are searched elsewhere. */
const SEARCHABLE = ['pending', 'denied', 'failed'] as const

function searchable(states: QueueQuery['state']): Pick<QueueFilter, 'states'> {
  if (states.includes('all')) return { states: SEARCHABLE }
  const others = states.filter(state => !(SEARCHABLE as readonly string[]).includes(state))
  if (others.length === 0) return {}
  throw new AppError(
    'invalid_argument',
    `Subjects are searched among what is ${SEARCHABLE.join(', ')}, not ${others.join(', ')}. Search the certificates for what was issued.`
  )
}

function attributesOf(row: RequestRow): QueueDetail['requestAttributes'] {
  return parseRequestAttributes(row.requestAttributes).map(({ name, value }) => ({ name, value }))
}

async function decoded(row: RequestRow): Promise<Pick<QueueDetail, 'request' | 'subjectAltNames'>> {
  if (row.rawRequest.length === 0) return { subjectAltNames: [] }
  try {
    // What the front has accepted as a request is one.
    const request = (await inspectRequest(row.rawRequest)) as InspectedRequest
    return { request, subjectAltNames: altNamesOf(decodeStoredRequest(row.rawRequest)) }
  } catch (error) {
    if (isAppError(error)) return { subjectAltNames: [] }
    throw error
  }
}
