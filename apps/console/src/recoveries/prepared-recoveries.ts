import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { AppError, type RecoveryId } from '@app/core'
import { Wakeups } from '@app/queue'
import { RecoveryStore } from '@app/storage'

/** How long a call waits for what another process prepares in a moment, in milliseconds. */
const patience = 5000
/** How long it waits before it looks again: at first, and at the longest, as each pause is twice the one before. */
const pauses = { first: 25, longest: 400 }

/** What the archive and the authority put beside a recovery, waited for. */
@Injectable()
export class PreparedRecoveries {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly wakeups: Wakeups
  ) {}

  /** Resolves once the agents' shares are there. Throws `unavailable` when they are not for long. */
  async shares(id: RecoveryId): Promise<void> {
    await this.wait(async () => ((await this.recoveries.isPrepared(id)) ? true : undefined), id)
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
    const end = Date.now() + patience
    for (let pause = pauses.first; ; pause = Math.min(2 * pause, pauses.longest)) {
      const found = await look()
      if (found !== undefined) return found
      if (Date.now() >= end) break
      this.wakeups.nudge('recoveries')
      this.wakeups.nudge('recovery-packages')
      await sleep(pause)
    }
    throw new AppError('unavailable', `Recovery ${id} is being prepared. Try again in a moment.`, { recoveryId: id })
  }
}
