import type { CaId, PrincipalId, RequestId, RequestState } from '@app/core'
import type { DataSource } from 'typeorm'
import { requestEntity } from './entities.js'
import { selectList } from './entity.js'
import { Conditions, type Page, pageOf } from './page.js'
import { REQUEST_SUMMARY_COLUMNS, type RequestRow, type RequestSummary } from './request-row.js'
import { statesCondition } from './request-states.js'
import { query, queryOne, type Statement } from './sql.js'
import { subjectCondition } from './subject-words.js'
import { storableText } from './text.js'

/** What the queue is narrowed by. Everything that is given must hold. */
export interface QueueFilter {
  readonly caIds?: readonly CaId[]
  readonly states?: readonly RequestState[]
  /** Whatever its case. */
  readonly templateName?: string
  readonly requesterId?: PrincipalId
  /** Each of its words begins one of the subject's. Finds only what is pending, denied or failed. */
  readonly subject?: string
  readonly keyId?: Uint8Array
  readonly submittedFrom?: Date
  readonly submittedUntil?: Date
}

/** How the queue is paged. */
export interface QueuePage {
  readonly order: 'newest' | 'oldest'
  readonly limit: number
  /** The last one that was seen. */
  readonly cursor?: RequestId
}

/** A request as the queue lists it. */
export interface QueueRow extends RequestSummary, Pick<RequestRow, 'round' | 'pendingUntil'> {
  /** How many must approve it; null while there is no template. */
  readonly needed: number | null
  /** How many have approved its present round. */
  readonly given: number
  /** How many decisions there are in all rounds. */
  readonly decisions: number
}

const COLUMNS = [...REQUEST_SUMMARY_COLUMNS, 'round', 'pendingUntil'] as const

/** As in the index `request_subject_words`, word for word. */
const SUBJECT = subjectCondition('r.subject')

/** Clocks of the processes that take requests may differ by less than this. */
const SKEW_MILLISECONDS = 300_000

/**
 * The first number of a request submitted at or after a time, give or take what clocks differ: numbers and times rise
 * together, so that halving the range finds it in some twenty steps along the primary key, where an index of times would
 * cost every move of every request.
 */
const FIRST_SINCE: Statement = {
  name: 'request_first_since',
  text: `
    WITH RECURSIVE search (low, high) AS (
      SELECT coalesce(min(id), 1), coalesce(max(id), 0) + 1 FROM certkeep.request
      UNION ALL
      SELECT CASE WHEN probe.submitted_at < $1 THEN probe.id + 1 ELSE low END,
             CASE WHEN probe.submitted_at < $1 THEN high ELSE middle.id END
      FROM search
      CROSS JOIN LATERAL (SELECT low + (high - low) / 2 AS id) AS middle
      CROSS JOIN LATERAL (
        SELECT r.id, r.submitted_at FROM certkeep.request AS r WHERE r.id >= middle.id ORDER BY r.id LIMIT 1
      ) AS probe
      WHERE low < high
    )
    SELECT max(low) AS id FROM search`
}

/** The states that a partial index is of. Every other state may be that of a million requests. */
const INDEXED_STATES: ReadonlySet<RequestState> = new Set<RequestState>(['pending', 'denied', 'failed', 'revoked'])

/** Rows of the list that are looked at for words first, for each row that a page shows. */
const NEAREST = 10

/** The counts of decisions are taken of the rows of the page alone. */
function withCounts(chosen: string, from = 'certkeep.request AS r'): string {
  return `
    SELECT q.*, t.approvals AS needed, d.given, d.decisions
    FROM (SELECT ${selectList(requestEntity, 'r', COLUMNS)} FROM ${from} ${chosen}) AS q
    LEFT JOIN certkeep.template AS t ON t.id = q."templateId"
    CROSS JOIN LATERAL (
      SELECT count(*) AS decisions, count(*) FILTER (WHERE d.kind = 'approve' AND d.round = q.round) AS given
      FROM certkeep.request_decision AS d WHERE d.request_id = q.id
    ) AS d`
}

const FIND: Statement = { name: 'queue_find', text: withCounts('WHERE r.id = $1') }

type Comparison = '<' | '>' | '>='

/** How a list is bounded and ordered. */
interface ListKey {
  bound(comparison: Comparison, id: RequestId | undefined): void
  orderBy(direction: 'ASC' | 'DESC'): string
}

/** The requests that operators look at. For the console. */
export class QueueStore {
  constructor(private readonly dataSource: DataSource) {}

  /** One page, in the order of the requests' numbers, which is that of their submission. */
  async list(filter: QueueFilter, page: QueuePage): Promise<Page<QueueRow, RequestId>> {
    const conditions = conditionsOf(filter)
    const key = keyOf(filter, conditions)
    for (const [comparison, id] of await this.boundsOf(filter, page)) key.bound(comparison, id)
    const order = `ORDER BY ${key.orderBy(page.order === 'newest' ? 'DESC' : 'ASC')}`
    const rows = await this.read(conditions, order, page, filter.subject && storableText(filter.subject))
    return pageOf(rows, page.limit, ({ id }) => id)
  }

  /**
   * The index of words gives its rows in no order. So words that nearly every subject has are looked for where the list
   * begins; where that does not fill the page, they are rare enough for the index.
   */
  private async read(
    conditions: Conditions,
    inOrder: string,
    { order, limit }: QueuePage,
    subject: string | undefined
  ): Promise<readonly QueueRow[]> {
    const direction = order === 'newest' ? 'DESC' : 'ASC'
    const run = (page: string): Promise<readonly QueueRow[]> =>
      query<QueueRow>(this.dataSource, undefined, { text: `${page} ORDER BY q.id ${direction}` }, conditions.values)
    const where = conditions.where()
    const most = conditions.limit(limit)
    if (subject === undefined) return run(withCounts(`${where} ${inOrder} ${most}`))
    const words = SUBJECT.replace('?', conditions.place(subject))
    const nearest = `(SELECT * FROM certkeep.request AS r ${where} ${inOrder} LIMIT ${NEAREST * limit}) AS r`
    const rows = await run(withCounts(`WHERE ${words} ${inOrder} ${most}`, nearest))
    if (rows.length > limit) return rows
    return run(withCounts(`${where === '' ? 'WHERE' : `${where} AND`} ${words} ${inOrder} ${most}`))
  }

  /** One request as the queue lists it. */
  find(id: RequestId): Promise<QueueRow | undefined> {
    return queryOne<QueueRow>(this.dataSource, undefined, FIND, [id])
  }

  /** Between which numbers a page lies. */
  private async boundsOf(
    { submittedFrom, submittedUntil }: QueueFilter,
    { order, cursor }: QueuePage
  ): Promise<readonly (readonly [Comparison, RequestId | undefined])[]> {
    const bounds: [Comparison, RequestId | undefined][] = [[order === 'newest' ? '<' : '>', cursor]]
    if (submittedFrom !== undefined) {
      bounds.push(['>=', await this.firstSince(submittedFrom.getTime() - SKEW_MILLISECONDS)])
    }
    if (submittedUntil !== undefined) {
      bounds.push(['<', await this.firstSince(submittedUntil.getTime() + SKEW_MILLISECONDS)])
    }
    return bounds
  }

  private async firstSince(time: number): Promise<RequestId | undefined> {
    const row = await queryOne<{ readonly id: RequestId }>(this.dataSource, undefined, FIRST_SINCE, [new Date(time)])
    return row?.id
  }
}

/** Everything but the numbers. */
function conditionsOf(filter: QueueFilter): Conditions {
  const { caIds, submittedFrom, submittedUntil } = filter
  const conditions = new Conditions()
    .addText(statesCondition(filter.states))
    .add('r.requester_id = ?', filter.requesterId)
    .add('r.key_id = ?', filter.keyId)
    .add('r.submitted_at >= ?', submittedFrom)
    .add('r.submitted_at < ?', submittedUntil)
  // With one, an index gives the rows in their order.
  if (caIds?.length === 1) return conditions.add('r.ca_id = ?', caIds[0])
  return conditions.add('r.ca_id = ANY (?::integer[])', caIds)
}

/**
 * What the list is ordered and bounded by: the number. With a template it is the pair of the template's name and the
 * number, which only the index of both gives: an equality beside a span of numbers would have the planner read all
 * numbers of the span, also where none of a million is of the template. States with an index of their own are narrower
 * than either.
 */
function keyOf({ templateName, states }: QueueFilter, conditions: Conditions): ListKey {
  const name = templateName && storableText(templateName)
  if (name === undefined || states?.every(state => INDEXED_STATES.has(state))) {
    conditions.add('lower(r.template_name) = lower(?)', name)
    return {
      bound: (comparison, id) => conditions.add(`r.id ${comparison} ?`, id),
      orderBy: direction => `r.id ${direction}`
    }
  }
  const place = conditions.place(name)
  for (const comparison of ['>=', '<=']) conditions.addText(`lower(r.template_name) ${comparison} lower(${place})`)
  return {
    bound: (comparison, id) => conditions.add(`(lower(r.template_name), r.id) ${comparison} (lower(${place}), ?)`, id),
    orderBy: direction => `lower(r.template_name) ${direction}, r.id ${direction}`
  }
}
