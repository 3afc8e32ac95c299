import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import type { JobEnd } from '@app/queue'
import { CaStore, RequestStore, WebhookStore, type DeliveryResult, type DeliveryRow } from '@app/storage'
import { drillNoticeBody, noticeBody, signNotice } from './notice.js'
import type { WebhookTarget } from './webhook-targets.js'

/** The injection token of the webhooks of the configuration, {@link WebhookTarget}s. */
export const WEBHOOK_TARGETS = Symbol('WebhookTargets')

const FIRST_PAUSE = 1000
const LONGEST_PAUSE = 6 * 3_600_000
/** With the pauses above the last attempt is about twenty hours after the first. */
const MOST_ATTEMPTS = 13
/** What an attempt may take besides the time of the receiver. */
const ALLOWANCE = 2000
/** A job that is not run so long after its time must have been lost. */
const LOST_AFTER = 60_000

/** How long to wait after so many attempts in vain: three times as long each time, up to six hours. */
function pauseAfter(attempts: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 3 ** (attempts - 1))
}

/** Delivers notices: at least once each, until the receiver has taken it, is gone, or {@link MOST_ATTEMPTS} were in vain. */
@Injectable()
export class DeliveryService {
  private readonly ended = new AbortController()

  constructor(
    private readonly deliveries: WebhookStore,
    private readonly requests: RequestStore,
    private readonly cas: CaStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Ends the attempts that are under way; who runs next takes them up again. */
  interrupt(): void {
    this.ended.abort()
  }

  /** Makes one attempt at a delivery that is due. */
  async run(target: WebhookTarget, id: string): Promise<JobEnd> {
    const now = this.clock.now()
    // 1. Nobody else is at it.
    const until = new Date(now.getTime() + target.timeoutSeconds * 1000 + ALLOWANCE)
    const row = await this.deliveries.lease(id, now, until)
    if (row === undefined) return this.waitForOther(id, now)
    // 2. Send what there is to tell.
    const result = await this.attempt(target, row)
    // failpoint: webhook.sent
    // 3. Record what came of it.
    const { status = 0 } = result
    if (status >= 200 && status < 300) return this.end(row, 'delivered', result)
    if (status === 410) {
      await this.end(row, 'stopped', result)
      await this.deliveries.stop(target.name, this.clock.now(), 'The receiver is gone (410).')
      return 'done'
    }
    if (this.ended.signal.aborted) return this.postpone(row, 0, result)
    if (row.attempts >= MOST_ATTEMPTS) return this.end(row, 'failed', result)
    return this.postpone(row, pauseAfter(row.attempts), result)
  }

  /** Gives up a delivery of a webhook that the configuration has no more. */
  async abandon(id: string): Promise<void> {
    await this.deliveries.end(id, 'failed', this.clock.now(), { error: 'The webhook is no longer configured.' })
  }

  /** An attempt whose process died holds its lease until it is over. */
  private async waitForOther(id: string, now: Date): Promise<JobEnd> {
    const row = await this.deliveries.find(id)
    if (row?.state !== 'due' || row.leasedUntil === null) return 'done'
    return { againAfter: Math.max(1, row.leasedUntil.getTime() - now.getTime()) }
  }

  private async attempt(target: WebhookTarget, row: DeliveryRow): Promise<DeliveryResult> {
    const body = await this.bodyOf(row)
    const notice = signNotice(row.id, body, target.secrets, this.clock.now())
    try {
      const status = await target.send(notice, this.ended.signal)
      return status >= 200 && status < 300 ? { status } : { status, error: `The receiver answered ${status}.` }
    } catch (error) {
      return { error: reasonOf(error) }
    }
  }

  private async bodyOf(row: DeliveryRow): Promise<string> {
    const { event, requestId } = row
    if (event === 'drill_failed' || requestId === null) return drillNoticeBody(row)
    const outcome = await this.requests.getOutcome(requestId)
    const ca = await this.cas.find(outcome.caId)
    if (ca === undefined) throw new AppError('internal', `The CA of request ${requestId} is gone.`)
    return noticeBody({ ...row, event }, outcome, ca, this.config.publicUrl)
  }

  private async end(
    row: DeliveryRow,
    state: 'delivered' | 'failed' | 'stopped',
    result: DeliveryResult
  ): Promise<JobEnd> {
    await this.deliveries.end(row.id, state, this.clock.now(), result)
    return 'done'
  }

  private async postpone(row: DeliveryRow, pause: number, result: DeliveryResult): Promise<JobEnd> {
    const lost = pause === 0 ? 0 : pause + LOST_AFTER
    await this.deliveries.postpone(row.id, new Date(this.clock.now().getTime() + lost), result)
    return { againAfter: Math.max(1, pause) }
  }
}

/** Why there was no answer, in few words. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = error as NodeJS.ErrnoException
  return (code === undefined ? error.message : `${code}: ${error.message}`).slice(0, 500)
}
