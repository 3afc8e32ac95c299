import { Inject, Injectable } from '@nestjs/common'
import { AppError } from '@app/core'
import { isPassing, LOG, rowFailure, type Logger } from '@app/platform'
import type { StepRun } from '@app/queue'
import {
  ArchiveStore,
  RequestStore,
  type EnvelopeRow,
  type NewSealedKey,
  type RequestForSealing,
  type RequestMove,
  type Unit
} from '@app/storage'
import { ExchangeKeys } from '../inventory/exchange-keys.js'
import { Sealer } from './sealer.js'
import { SealingAgents } from './sealing-agents.js'

const batchSize = 32
const retryAfter = 15_000

type Outcome =
  | { readonly kind: 'sealed'; readonly key: NewSealedKey }
  | { readonly kind: 'kept' }
  | { readonly kind: 'failed'; readonly error: AppError }
  | { readonly kind: 'later' }

/** What is read once for all rows of a batch. */
interface Batch {
  readonly now: Date
  readonly agentsFor: ReturnType<SealingAgents['batch']>
  readonly decrypterFor: ReturnType<ExchangeKeys['batch']>
}

/** Step 6 of a request's life: the client's envelope is opened, checked and sealed to the recovery agents. */
@Injectable()
export class SealService {
  constructor(
    private readonly requests: RequestStore,
    private readonly archive: ArchiveStore,
    private readonly exchangeKeys: ExchangeKeys,
    private readonly agents: SealingAgents,
    private readonly sealer: Sealer,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Seals a batch of approved requests. */
  async run(now: Date): Promise<StepRun> {
    let moves: readonly RequestMove[] = []
    const taken = await this.requests.withClaimed('seal', { limit: batchSize, now }, async (rows, unit) => {
      // 1. The envelopes, which no other role may read.
      const envelopes = await this.archive.readEnvelopes(
        unit,
        rows.map(row => row.id)
      )
      // failpoint: seal.envelopes-read
      // 2. Open, check the pair, seal, parse the result back.
      const batch = { now, agentsFor: this.agents.batch(now), decrypterFor: this.exchangeKeys.batch() }
      const outcomes = await Promise.all(rows.map(row => this.outcomeOf(row, envelopes.get(row.id), batch, unit)))
      // failpoint: seal.keys-sealed
      // 3. One transaction: sealed keys in, envelopes out, every row moved with its event.
      moves = rows.flatMap((row, index) => moveFor(row, outcomes[index]))
      const sealed = outcomes.flatMap(outcome => (outcome.kind === 'sealed' ? [outcome.key] : []))
      const refused = moves.filter(move => move.to === 'failed').map(move => move.id)
      const later = rows.filter((_, index) => outcomes[index]?.kind === 'later').map(row => row.id)
      await this.archive.seal(unit, sealed)
      // failpoint: seal.keys-stored
      await this.archive.dropEnvelopes(unit, refused)
      await this.requests.lease(unit, later, new Date(now.getTime() + retryAfter))
      await this.requests.moveAll(unit, moves, now)
      // failpoint: seal.moved
    })
    // failpoint: seal.committed
    const next = moves.map(move => (move.to === 'sealed' ? 'issue' : 'respond'))
    return { more: taken === batchSize, next: [...new Set(next)] }
  }

  private outcomeOf(
    row: RequestForSealing,
    envelope: EnvelopeRow | undefined,
    batch: Batch,
    unit: Unit
  ): Promise<Outcome> {
    return row.carriesKey ? this.sealOne(row, envelope, batch) : this.sealAgain(row, batch.now, unit)
  }

  /**
   * A renewal that keeps its key brings none: the key was sealed with the certificate that is renewed. What was sealed
   * then, to the agents of then, stands for the new certificate too. One that is taken up again after it was sealed has it
   * already.
   */
  private async sealAgain(row: RequestForSealing, now: Date, unit: Unit): Promise<Outcome> {
    if ((await this.archive.listSealed([row.id], unit)).has(row.id)) return { kind: 'kept' }
    const { requesterId, keyId, publicKey } = row
    const before =
      requesterId === null || keyId === null || publicKey === null
        ? undefined
        : await this.archive.findSealedBefore({ requesterId, keyId, publicKey }, unit)
    if (before !== undefined) return { kind: 'sealed', key: { ...before, requestId: row.id, sealedAt: now } }
    const message =
      'The template demands an archived key; none was received, and none is kept of an earlier certificate.'
    return { kind: 'failed', error: new AppError('archived_key_required', message) }
  }

  private async sealOne(
    row: RequestForSealing,
    envelope: EnvelopeRow | undefined,
    { now, agentsFor, decrypterFor }: Batch
  ): Promise<Outcome> {
    try {
      if (envelope === undefined || row.publicKey === null) {
        throw new AppError('archived_key_required', 'The template demands an archived key and none was received.')
      }
      const sealing = await agentsFor(row)
      const wrapped = { ...row, envelope: envelope.envelope, publicKey: row.publicKey }
      const key = { requestId: row.id, ...(await this.sealer.seal(wrapped, sealing, decrypterFor, now)) }
      return { kind: 'sealed', key }
    } catch (error) {
      return isPassing(error) ? { kind: 'later' } : { kind: 'failed', error: rowFailure(error, row, this.log) }
    }
  }
}

function moveFor(row: RequestForSealing, outcome: Outcome | undefined): RequestMove[] {
  const move = { id: row.id, from: 'approved', because: { actor: 'role:archive' } } as const
  switch (outcome?.kind) {
    case 'sealed':
    case 'kept':
      return [{ ...move, to: 'sealed' }]
    case 'failed': {
      const { code, message } = outcome.error
      const failure = { code, message }
      return [{ ...move, to: 'failed', failure, dispositionMessage: `Error archiving private key: ${message}` }]
    }
    case 'later':
    case undefined:
      return []
  }
}
