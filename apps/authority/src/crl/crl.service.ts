import { Inject, Injectable } from '@nestjs/common'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAppError, type CaId, type Clock } from '@app/core'
import { crlDue, type CrlSchedule, type CrlSituation } from '@app/issuance'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { CrlStore, RevocationStore } from '@app/storage'
import { CaRegistry, type IssuingCa } from '../ca/ca-registry.js'
import { CrlSigner } from './crl-signer.js'

const hour = 3_600_000
/** Others publish when something changes; to be overtaken so often is a defect. */
const mostAttempts = 5
const because = { actor: 'role:authority' }

/** Publishes base and delta CRLs, for each key of each CA (RFC 5280, 5). */
@Injectable()
export class CrlService {
  private readonly schedule: CrlSchedule

  constructor(
    private readonly registry: CaRegistry,
    private readonly revocations: RevocationStore,
    private readonly crls: CrlStore,
    private readonly signer: CrlSigner,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) { crl }: Config
  ) {
    this.schedule = {
      base: crl.validityHours * hour,
      baseOverlap: crl.overlapHours * hour,
      delta: crl.deltaHours * hour,
      deltaOverlap: crl.deltaOverlapHours * hour,
      onRevocation: crl.onRevocation,
      revocationDelay: crl.revocationDelaySeconds * 1000
    }
  }

  /** Publishes every CRL that is due. Tells when to look again; one key that cannot sign does not hold up the others. */
  async run(): Promise<{ readonly published: number; readonly lookAt: Date }> {
    let published = 0
    let lookAt = Infinity
    let failure: Error | undefined
    for (const ca of await this.signingKeys()) {
      try {
        const done = await this.publishDue(ca)
        published += done.published
        lookAt = Math.min(lookAt, done.lookAt.getTime())
      } catch (error) {
        failure ??= error as Error
      }
    }
    if (failure !== undefined) throw failure
    return { published, lookAt: new Date(Math.min(lookAt, this.clock.now().getTime() + hour)) }
  }

  /**
   * Signs and stores a base for each key of a CA, whether one is due or not; deltas follow when they are due. Returns
   * the number of the newest.
   */
  async publish(caId: CaId, actor = because.actor): Promise<number> {
    let number = 0
    for (const keyIndex of await this.registry.listKeys(caId)) {
      const ca = await this.registry.getKey(caId, keyIndex)
      if (!isEnded(ca, this.clock.now())) number = await this.publishBase(ca, actor)
    }
    return number
  }

  /** Who is overtaken by another process signs again: the CRL that is asked for knows of all that was before. */
  private async publishBase(ca: IssuingCa, actor: string): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const { base, delta } = await this.situationOf(ca)
      const newest = Math.max(base?.thisUpdate.getTime() ?? 0, delta?.thisUpdate.getTime() ?? 0)
      // No two of them in one second.
      await sleep(Math.max(0, Math.min(1000, newest + 1000 - this.clock.now().getTime())))
      try {
        return await this.signer.publish(ca, 'base', this.schedule, { actor })
      } catch (error) {
        if (attempt === mostAttempts || !isAppError(error, 'conflict')) throw error
      }
    }
  }

  private async publishDue(ca: IssuingCa): Promise<{ readonly published: number; readonly lookAt: Date }> {
    for (let published = 0; ; published++) {
      const due = crlDue(await this.situationOf(ca), this.schedule, this.clock.now())
      if (due.kind === 'none') return { published, lookAt: due.lookAt }
      try {
        await this.signer.publish(ca, due.kind, this.schedule, because)
      } catch (error) {
        // Another process was faster; look at what it has published.
        if (!isAppError(error, 'conflict')) throw error
        return { published, lookAt: new Date(this.clock.now().getTime() + 1000) }
      }
    }
  }

  private async situationOf({ id, keyIndex }: IssuingCa): Promise<CrlSituation> {
    const [base, delta] = [
      await this.crls.findLatestSummary(id, keyIndex, 'base'),
      await this.crls.findLatestSummary(id, keyIndex, 'delta')
    ]
    const { ofKey, ordered } = await this.revocations.changesOf(id, keyIndex)
    return {
      lastChange: ofKey,
      ordered,
      ...(base === undefined ? {} : { base }),
      ...(delta === undefined ? {} : { delta })
    }
  }

  /** The keys that a CRL is still wanted of: until the end of the newest CA certificate for the key. */
  private async signingKeys(): Promise<readonly IssuingCa[]> {
    const now = this.clock.now()
    const found: IssuingCa[] = []
    for (const caId of await this.registry.listActive()) {
      for (const keyIndex of await this.registry.listKeys(caId)) {
        const ca = await this.registry.getKey(caId, keyIndex)
        if (!isEnded(ca, now)) found.push(ca)
      }
    }
    return found
  }
}

function isEnded({ certificate }: IssuingCa, now: Date): boolean {
  return certificate.notAfter < now
}
