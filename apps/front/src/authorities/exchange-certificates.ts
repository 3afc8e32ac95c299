import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Wakeups } from '@app/queue'
import { ExchangeKeyStore, type CaRow } from '@app/storage'

/** How long before its end an exchange certificate is no longer handed out: a day, as CAXchgOverlapPeriod has it. */
const overlap = 24 * 3_600_000
const longestWait = 15_000

/** Hands out exchange certificates (MS-WCCE 3.2.1.4.3.2.15). */
@Injectable()
export class ExchangeCertificates {
  constructor(
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The exchange certificate, DER. Has one made when none is usable for longer than the overlap, and waits for it.
   * Throws `unavailable` when the archive does not answer.
   */
  async current(ca: CaRow): Promise<Uint8Array> {
    const deadline = Date.now() + longestWait
    for (let pause = 25; ; pause = Math.min(2 * pause, 500)) {
      const now = this.clock.now().getTime()
      const key = await this.exchangeKeys.findCurrent(ca.id, new Date(now))
      const certificate = key?.certificate ?? undefined
      const remaining = (key?.notAfter?.getTime() ?? 0) - now
      if (certificate !== undefined && remaining > overlap) return certificate
      if (Date.now() >= deadline) {
        // In its last day the old one still serves.
        if (certificate !== undefined) return certificate
        throw new AppError('unavailable', `"${ca.name}" has no exchange certificate yet. Try again in a moment.`)
      }
      this.wakeups.nudge('exchange-keys')
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }
}
