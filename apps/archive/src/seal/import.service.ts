import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError } from '@app/core'
import { isPassing, LOG, rowFailure, type Logger } from '@app/platform'
import { KeyImportStore, type KeyImportToSeal, type Unit } from '@app/storage'
import { ExchangeKeys } from '../inventory/exchange-keys.js'
import { Sealer, type SealedForm } from './sealer.js'
import { SealingAgents } from './sealing-agents.js'

const batchSize = 32
const retryAfter = 15_000

/** What was archived elsewhere is often older than today's rules: a weak key is better kept than lost. */
const minimumRsaBits = 1024

/** Seals the keys that come in from other archives, each in a transaction of its own. */
@Injectable()
export class ImportService {
  constructor(
    private readonly imports: KeyImportStore,
    private readonly exchangeKeys: ExchangeKeys,
    private readonly agents: SealingAgents,
    private readonly sealer: Sealer,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Seals what is due, up to a batch of it. Whether more may be due. */
  async run(now: Date): Promise<boolean> {
    const agentsFor = this.agents.batch(now)
    const decrypterFor = this.exchangeKeys.batch()
    for (let count = 0; count < batchSize; count++) {
      let claimedId: string | undefined
      try {
        const found = await this.imports.withClaimed(now, (claimed, unit) => {
          claimedId = claimed.id
          return this.sealOne(claimed, { agentsFor, decrypterFor, now, unit })
        })
        if (!found) return false
      } catch (error) {
        if (claimedId === undefined || isPassing(error)) throw error
        if (isKeyWanted(error)) {
          await this.refuseWanted(claimedId, now)
          continue
        }
        // One that the database refuses does not hold up the others; it is tried again later.
        this.log.error({ error, import: claimedId }, 'A key could not be imported now.')
        await this.imports.postpone(claimedId, new Date(now.getTime() + retryAfter))
      }
    }
    return true
  }

  private refuseWanted(id: string, now: Date): Promise<boolean> {
    const message =
      'The key of this certificate is being recovered, and is not replaced meanwhile. Import it afterwards.'
    return this.imports.fail(undefined, id, { code: 'conflict', message }, { actor: 'role:archive' }, now)
  }

  private async sealOne(claimed: KeyImportToSeal, run: Run): Promise<void> {
    const { id } = claimed
    const { now, unit } = run
    let form: SealedForm
    // 1. Open, check the pair, seal, parse the result back: as for an enrollment.
    try {
      form = await this.sealed(claimed, run)
    } catch (error) {
      if (isPassing(error)) {
        await this.imports.postpone(id, new Date(now.getTime() + retryAfter), unit)
        return
      }
      const failure = rowFailure(error, { id: numberOf(id) }, this.log)
      await this.imports.fail(unit, id, failure, { actor: 'role:archive' }, now)
      return
    }
    // failpoint: import.sealed
    // 2. One transaction: the key in the archive with its certificate's request, the envelope out, the events.
    await this.imports.finish(unit, id, form)
    // failpoint: import.finished
  }

  private async sealed(claimed: KeyImportToSeal, { agentsFor, decrypterFor, now }: Run): Promise<SealedForm> {
    const { id, caId, templateId, envelope, publicKey, receivedAt: submittedAt } = claimed
    if (envelope === null) throw new AppError('internal', `The envelope of the import ${id} is gone.`)
    const sealing = await agentsFor({ id: numberOf(id), caId, templateId })
    return this.sealer.seal({ caId, submittedAt, envelope, publicKey, minimumRsaBits }, sealing, decrypterFor, now)
  }
}

interface Run {
  readonly now: Date
  readonly unit: Unit
  readonly agentsFor: ReturnType<SealingAgents['batch']>
  readonly decrypterFor: ReturnType<ExchangeKeys['batch']>
}

/** What the database says when a key would be replaced that a recovery is of. */
function isKeyWanted(error: unknown): boolean {
  return isAppError(error) && error.evidence['constraint'] === 'sealed_key_is_not_wanted'
}

/** By which the agents are rotated, as they are by the number of a request. */
function numberOf(id: string): number {
  return Number.parseInt(id.slice(0, 7), 16)
}
