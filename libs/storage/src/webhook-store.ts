import type { RecoveryId, RequestId, RequestState } from '@app/core'
import type { DataSource } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { Conditions, type Page, pageOf } from './page.js'
import { query, queryOne, type Statement } from './sql.js'
import { storableText } from './text.js'
import { inTransaction } from './unit.js'

/** What becomes of a request, or of the key that was archived with it, that a webhook can tell of. */
export type RequestEvent = Extract<RequestState, 'pending' | 'issued' | 'denied' | 'failed' | 'revoked'> | 'recovered'

/** Everything that a webhook can tell of. */
export type WebhookEvent = RequestEvent | 'drill_failed'

/** What decides which deliveries a webhook has. */
export interface WebhookSelection {
  readonly name: string
  readonly events: readonly WebhookEvent[]
  /** A CA's name, in any case; absent: every CA. */
  readonly ca?: string
  /** A template's name, in any case; absent: every template. */
  readonly template?: string
}

/** `due`: to be delivered; `failed`: given up; `stopped`: the receiver has said that it is gone. */
export type DeliveryState = 'due' | 'delivered' | 'failed' | 'stopped'

/** One notice to one receiver. */
export interface DeliveryRow {
  /** UUID: what the receiver tells repetitions by. */
  readonly id: string
  /** The name of the webhook. */
  readonly webhook: string
  /** Null for the event `drill_failed`. */
  readonly requestId: RequestId | null
  /** Of the event `drill_failed`. */
  readonly drillId: number | null
  /** Of the event `recovered`. */
  readonly recoveryId: RecoveryId | null
  readonly event: WebhookEvent
  /** Of the request at that time, or why the drill failed. */
  readonly dispositionMessage: string
  readonly failureCode: string | null
  readonly occurredAt: Date
  readonly state: DeliveryState
  readonly attempts: number
  /** Until when an attempt that was begun may last. */
  readonly leasedUntil: Date | null
  /** Of the last attempt's answer. */
  readonly status: number | null
  /** Why the last attempt got no good answer. */
  readonly error: string | null
  readonly endedAt: Date | null
}

/** How an attempt ended. */
export interface DeliveryResult {
  readonly status?: number
  readonly error?: string
}

/** What a list of deliveries is narrowed by. */
export interface DeliveryFilter {
  readonly webhook?: string
  readonly state?: DeliveryState
  readonly requestId?: RequestId
}

const COLUMNS = `
  d.id, d.webhook, d.request_id AS "requestId", d.drill_id AS "drillId", d.recovery_id AS "recoveryId", d.event, d.disposition_message AS "dispositionMessage",
  d.failure_code AS "failureCode", d.occurred_at AS "occurredAt", d.state, d.attempts, d.leased_until AS "leasedUntil",
  d.status, d.error, d.ended_at AS "endedAt"`

const CONFIGURE: Statement = { text: 'SELECT certkeep.set_webhooks($1::jsonb)' }

const TAKE: Statement = {
  name: 'webhook_take',
  text: `
    WITH taken AS (
      SELECT id FROM certkeep.webhook_delivery WHERE state = 'due' AND queue_at <= $1
      ORDER BY queue_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ), queued AS (
      UPDATE certkeep.webhook_delivery AS d SET queue_at = $3 FROM taken WHERE d.id = taken.id
      RETURNING d.id, d.webhook, d.occurred_at
    )
    SELECT id, webhook FROM queued ORDER BY occurred_at, id`
}

const PUT_BACK: Statement = {
  text: `UPDATE certkeep.webhook_delivery SET queue_at = $2 WHERE id = ANY ($1::uuid[]) AND state = 'due'`
}

const LEASE: Statement = {
  name: 'webhook_lease',
  text: `
    UPDATE certkeep.webhook_delivery AS d SET leased_until = $3, attempts = attempts + 1
    WHERE id = $1 AND state = 'due' AND (leased_until IS NULL OR leased_until <= $2)
    RETURNING ${COLUMNS}`
}

const POSTPONE: Statement = {
  name: 'webhook_postpone',
  text: `
    UPDATE certkeep.webhook_delivery SET leased_until = NULL, queue_at = $2, status = $3, error = $4
    WHERE id = $1 AND state = 'due'`
}

const END: Statement = {
  name: 'webhook_end',
  text: `
    UPDATE certkeep.webhook_delivery SET state = $2, leased_until = NULL, ended_at = $3, status = $4, error = $5
    WHERE id = $1 AND state = 'due'`
}

/** The rows that nobody has begun; one that is under way ends by itself. */
const STOP: Statement = {
  text: `
    WITH gone AS (
      UPDATE certkeep.webhook SET stopped_at = $2 WHERE name = $1 AND stopped_at IS NULL RETURNING name
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $2, 'role:front', 'webhook.stopped', 'webhook', name, 'success', jsonb_build_object('reason', $3::text)
      FROM gone
    )
    UPDATE certkeep.webhook_delivery SET state = 'stopped', ended_at = $2, leased_until = NULL, error = $3
    WHERE webhook = $1 AND state = 'due' AND (leased_until IS NULL OR leased_until <= $2)`
}

const RESUME: Statement = {
  text: 'UPDATE certkeep.webhook SET stopped_at = NULL WHERE name = $1 AND stopped_at IS NOT NULL RETURNING name'
}

const RETRY: Statement = {
  text: `
    UPDATE certkeep.webhook_delivery
    SET state = 'due', ended_at = NULL, attempts = 0, queue_at = $2, leased_until = NULL
    WHERE id = $1 AND state IN ('failed', 'stopped') RETURNING id`
}

const PURGE: Statement = {
  text: `
    DELETE FROM certkeep.webhook_delivery WHERE id IN (
      SELECT id FROM certkeep.webhook_delivery WHERE ended_at < $1 ORDER BY ended_at LIMIT 1000)
    RETURNING id`
}

const COUNT: Statement = {
  text: `
    SELECT webhook, state, count(*) AS count FROM certkeep.webhook_delivery
    WHERE state IN ('due', 'failed', 'stopped') GROUP BY webhook, state`
}

const LIST_STOPPED: Statement = {
  text: 'SELECT name FROM certkeep.webhook WHERE stopped_at IS NOT NULL ORDER BY name'
}

/**
 * Webhooks and their deliveries. A delivery is recorded by the database itself, in the transaction that moves the
 * request; this store is for whoever delivers, and for those who look after it.
 */
export class WebhookStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Has deliveries recorded for these webhooks and no others from now on. For the front. */
  async configure(webhooks: readonly WebhookSelection[]): Promise<void> {
    await query(this.dataSource, undefined, CONFIGURE, [JSON.stringify(webhooks)])
  }

  /**
   * Takes up to `limit` deliveries that are to be queued, the oldest first, and gives their ids and webhooks in the order
   * of time. Nobody else takes them until `again`; by then their job must have been lost.
   */
  take(limit: number, now: Date, again: Date): Promise<readonly Pick<DeliveryRow, 'id' | 'webhook'>[]> {
    return query(this.dataSource, undefined, TAKE, [now, limit, again])
  }

  /** Has deliveries that were taken in vain taken again at once. */
  async putBack(ids: readonly string[], now: Date): Promise<void> {
    await query(this.dataSource, undefined, PUT_BACK, [ids, now])
  }

  /** Begins an attempt; undefined when the delivery is no longer due, or when somebody else is at it until later. */
  lease(id: string, now: Date, until: Date): Promise<DeliveryRow | undefined> {
    return queryOne<DeliveryRow>(this.dataSource, undefined, LEASE, [id, now, until])
  }

  async find(id: string): Promise<DeliveryRow | undefined> {
    const text = `SELECT ${COLUMNS} FROM certkeep.webhook_delivery AS d WHERE d.id = $1`
    return queryOne<DeliveryRow>(this.dataSource, undefined, { name: 'webhook_find', text }, [id])
  }

  /** Ends an attempt in vain; the delivery stays due. */
  async postpone(id: string, queueAt: Date, { status, error }: DeliveryResult): Promise<void> {
    await query(this.dataSource, undefined, POSTPONE, [
      id,
      queueAt,
      status ?? null,
      error === undefined ? null : storableText(error)
    ])
  }

  /** Ends a delivery. */
  async end(
    id: string,
    state: Exclude<DeliveryState, 'due'>,
    now: Date,
    { status, error }: DeliveryResult
  ): Promise<void> {
    const reason = error === undefined ? null : storableText(error)
    await query(this.dataSource, undefined, END, [id, state, now, status ?? null, reason])
  }

  /** Records nothing more for a webhook whose receiver is gone, and gives up what is due. */
  async stop(webhook: string, now: Date, reason: string): Promise<void> {
    await query(this.dataSource, undefined, STOP, [webhook, now, reason])
  }

  /** Records deliveries again for a webhook that was stopped. Whether it was. */
  resume(webhook: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await query(this.dataSource, unit, RESUME, [webhook])).length !== 1) return false
      const change = { object: 'webhook', id: webhook, verb: 'resumed', at: now } as const
      await appendChange(this.dataSource, unit, change, because)
      return true
    })
  }

  /** Makes a delivery that was given up due again. Whether it was one. */
  retry(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, async unit => {
      if ((await query(this.dataSource, unit, RETRY, [id, now])).length !== 1) return false
      await appendChange(this.dataSource, unit, { object: 'webhook', id, verb: 'retried', at: now }, because)
      return true
    })
  }

  /** Forgets deliveries that ended before a time, at most a thousand. Whether there may be more. */
  async purge(before: Date): Promise<boolean> {
    return (await query(this.dataSource, undefined, PURGE, [before])).length === 1000
  }

  /** How many deliveries of each webhook are due, and how many have been given up. */
  countNotMade(): Promise<
    readonly {
      readonly webhook: string
      readonly state: Exclude<DeliveryState, 'delivered'>
      readonly count: number
    }[]
  > {
    return query(this.dataSource, undefined, COUNT, [])
  }

  /** The names of the webhooks whose receivers are gone. */
  async listStopped(): Promise<readonly string[]> {
    return (await query<{ readonly name: string }>(this.dataSource, undefined, LIST_STOPPED, [])).map(
      ({ name }) => name
    )
  }

  /** Newest first; the cursor is the id of the last one seen. */
  async list(filter: DeliveryFilter, limit: number, cursor?: string): Promise<Page<DeliveryRow, string>> {
    const conditions = new Conditions()
      .add('d.webhook = ?', filter.webhook)
      .add('d.state = ?', filter.state)
      .add('d.request_id = ?', filter.requestId)
      .add('(d.occurred_at, d.id) < (SELECT occurred_at, id FROM certkeep.webhook_delivery WHERE id = ?)', cursor)
    const text = `SELECT ${COLUMNS} FROM certkeep.webhook_delivery AS d ${conditions.where()}
      ORDER BY d.occurred_at DESC, d.id DESC ${conditions.limit(limit)}`
    const rows = await query<DeliveryRow>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ id }) => id)
  }
}
