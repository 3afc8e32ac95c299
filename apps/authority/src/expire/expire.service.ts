import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Steps, type StepRun } from '@app/queue'
import { RequestStore, type RequestMove, type RequestRow } from '@app/storage'

const batchSize = 32
const because = { actor: 'role:authority' }

/** Denies requests that nobody decided in the time that their templates set. */
@Injectable()
export class ExpireService implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly requests: RequestStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    this.steps.add('expire', () => this.run(this.clock.now()))
  }

  /** Denies a batch of those whose time has come. A decision at the same moment either comes first or too late. */
  private async run(now: Date): Promise<StepRun> {
    const taken = await this.requests.withClaimed('expire', { limit: batchSize, now }, async (rows, unit) => {
      await this.requests.moveAll(unit, rows.map(expired), now)
      // failpoint: expire.moved
    })
    return { more: taken === batchSize, next: taken > 0 ? ['respond'] : [] }
  }
}

function expired({ id, pendingUntil, round }: RequestRow): RequestMove {
  const message = `Nobody decided the request until ${pendingUntil?.toISOString() ?? 'now'}.`
  return {
    id,
    from: 'pending',
    to: 'denied',
    because: { ...because, detail: { round } },
    failure: { code: 'pending_expired', message },
    dispositionMessage: `Denied by Policy Module: ${message}`
  }
}
