import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { RegistrationStore } from '@app/storage'

/** How long a count is told to whoever asks, in milliseconds. */
const freshness = 1000

/** How many registrations wait to be decided. Counted once a second at the most, however many clients register. */
@Injectable()
export class RegistrationLoad {
  private counted: { readonly at: number; readonly count: Promise<number> } | undefined

  constructor(
    private readonly registrations: RegistrationStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** As of a second ago at the most. */
  async waiting(): Promise<number> {
    const now = this.clock.now().getTime()
    if (this.counted === undefined || Math.abs(now - this.counted.at) >= freshness) {
      this.counted = { at: now, count: this.registrations.countDue() }
    }
    const { counted } = this
    try {
      return await counted.count
    } catch (error) {
      if (this.counted === counted) this.counted = undefined
      throw error
    }
  }
}
