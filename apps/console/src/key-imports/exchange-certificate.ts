import { Inject, Injectable } from '@nestjs/common'
import { AppError, type CaId, type Clock } from '@app/core'
import { encodePem } from '@app/der'
import { CLOCK } from '@app/platform'
import { Wakeups } from '@app/queue'
import { CaStore, ExchangeKeyStore } from '@app/storage'

/** As long as the front waits for one. */
const longestWait = 15_000

/** What keys that are to be imported are wrapped to. */
@Injectable()
export class ExchangeCertificate {
  constructor(
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly cas: CaStore,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * PEM of the current one of a CA, then of the CA and those above it. Has one made when there is none, and waits for it.
   * Throws `unavailable` when the archive does not answer.
   */
  async current(caId: CaId): Promise<string> {
    const certificate = await this.awaited(caId)
    const issuer = (await this.cas.listCertificates(caId)).at(-1)
    const chain = issuer === undefined ? [] : [issuer.certificate, ...issuer.chain]
    return [certificate, ...chain].map(der => encodePem('CERTIFICATE', der)).join('')
  }

  private async awaited(caId: CaId): Promise<Uint8Array> {
    const deadline = Date.now() + longestWait
    for (let pause = 25; ; pause = Math.min(2 * pause, 500)) {
      const certificate = (await this.exchangeKeys.findCurrent(caId, this.clock.now()))?.certificate
      if (certificate != null) return certificate
      if (Date.now() >= deadline) {
        throw new AppError('unavailable', 'The CA has no exchange certificate yet. Try again in a moment.')
      }
      this.wakeups.nudge('exchange-keys')
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }
}
