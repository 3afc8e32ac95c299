import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { AppError, type RecoveryId } from '@app/core'
import { Wakeups } from '@app/queue'
import { RecoveryStore } from '@app/storage'

/** How long a call waits for what another process prepares in a moment, and how often it looks, in milliseconds. */
const patience = 5000
const pause = 25

/** What the archive and the authority put beside a recovery, waited for. */
@Injectable()
export class PreparedRecoveries {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly wakeups: Wakeups
  ) {}

  /** Resolves once the agents' shares are there. Throws `unavailable` when they are not for long. */
  async shares(id: RecoveryId): Promise<void> {
    await this.wait(async () => ((await this.recoveries.find(id))?.preparedAt === null ? undefined : true), id)
  }

  /** The package of a released recovery, signed where it is signed. Throws `unavailable` when it is not there for long. */
  package(id: RecoveryId): Promise<Uint8Array> {
    return this.wait(async () => {
      const row = await this.recoveries.findPackage(id)
      if (row === undefined) return undefined
      return row.toBeSigned ? (row.signed ?? undefined) : row.sealed
    }, id)
  }

  private async wait<T>(look: () => Promise<T | undefined>, id: RecoveryId): Promise<T> {
    for (const end = Date.now() + patience; ; await sleep(pause)) {
      const found = await look()
      if (found !== undefined) return found
      if (Date.now() >= end) break
      this.wakeups.nudge('recoveries')
      this.wakeups.nudge('recovery-packages')
    }
    throw new AppError('unavailable', `Recovery ${id} is being prepared. Try again in a moment.`, { recoveryId: id })
  }
}
