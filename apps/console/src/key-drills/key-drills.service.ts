import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK, CONFIG, drillStanding, type Config } from '@app/platform'
import { Wakeups } from '@app/queue'
import { DrillStore, type DrillRow } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import type { DrillOrderView, DrillsQuery, DrillsView } from './key-drills.schemas.js'

/** Recovery drills: how they went, and ordering one. */
@Injectable()
export class KeyDrillsService {
  constructor(
    private readonly drills: DrillStore,
    private readonly wakeups: Wakeups,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async list({ limit, cursor }: DrillsQuery): Promise<DrillsView> {
    const { hours } = this.config.drill
    const { lastSuccess, overdue } = await drillStanding(this.drills, hours, this.clock.now())
    return {
      everyHours: hours,
      ...(lastSuccess === undefined ? {} : { lastSuccess: lastSuccess.toISOString() }),
      overdue,
      ...pageOfViews(await this.drills.list(limit, cursor), viewOf)
    }
  }

  /** Has a drill run now. */
  async order(operator: AuthenticatedOperator): Promise<DrillOrderView> {
    const ordered = await this.drills.order({ actor: operator.name }, this.clock.now())
    this.wakeups.nudge('drill')
    return { ordered }
  }
}

function viewOf(row: DrillRow): DrillsView['items'][number] {
  const { id, state, requestedBy, dueAt, endedAt, canaries, failureCode, failureMessage } = row
  return {
    id,
    state,
    requestedBy,
    dueAt: dueAt.toISOString(),
    ...(endedAt === null ? {} : { endedAt: endedAt.toISOString() }),
    ...(canaries === null ? {} : { canaries }),
    ...(failureCode === null ? {} : { code: failureCode }),
    ...(failureMessage === null ? {} : { message: failureMessage })
  }
}
