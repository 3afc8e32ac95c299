import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK, isPassing, LOG, type Logger } from '@app/platform'
import { Database, RegistrationDecisionStore, type Because, type ClaimedRegistration, type SiteRow } from '@app/storage'
import { RegistrationDecisions } from './registration-decisions.js'

const because: Because = { actor: 'role:console' }

/** Decides registrations that wait, many in one transaction; one that the database refuses ends by itself. */
@Injectable()
export class RegistrationBatch {
  constructor(
    private readonly database: Database,
    private readonly rows: RegistrationDecisionStore,
    private readonly decisions: RegistrationDecisions,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /**
   * Decides up to `limit` messages, the oldest first; gives how many. Where their transaction fails for good, each is
   * decided in one of its own. Throws `unavailable` while the database does not answer.
   */
  async run(limit: number, site: SiteRow): Promise<number> {
    try {
      return (await this.decide(limit, site)).length
    } catch (error) {
      if (isPassing(error)) throw error
    }
    let decided = 0
    while (decided < limit && (await this.runOne(site))) decided++
    return decided
  }

  private async runOne(site: SiteRow): Promise<boolean> {
    const claimed: ClaimedRegistration[] = []
    try {
      return (await this.decide(1, site, one => claimed.push(one))).length > 0
    } catch (error) {
      const [bad] = claimed
      if (bad === undefined || isPassing(error)) throw error
      const { id, smsid } = bad.message
      this.log.error({ error, message: id, smsid }, 'A registration cannot be stored, and is refused.')
      await this.giveUp(bad)
      return true
    }
  }

  private decide(
    limit: number,
    site: SiteRow,
    onClaim: (claimed: ClaimedRegistration) => void = () => undefined
  ): Promise<readonly ClaimedRegistration[]> {
    return this.database.transaction(async unit => {
      const claimed = await this.rows.lockDue(limit, unit)
      for (const one of claimed) {
        onClaim(one)
        await this.decisions.decide(one.message, one.client, { site, unit })
      }
      return claimed
    })
  }

  /** Refuses a client that was not registered before; one that was stays as it was. */
  private giveUp({ message: { id, smsid } }: ClaimedRegistration): Promise<void> {
    return this.database.transaction(async unit => {
      const client = await this.rows.lock(smsid, unit)
      const message = await this.rows.lockMessage(id, unit)
      if (message?.state !== 'due') return
      if (client?.status === 'pending') {
        await this.rows.reject(client, 'what it says of itself cannot be stored', because, this.clock.now(), unit)
      }
      await this.rows.settle(message, 'done', unit)
    })
  }
}
