import { Injectable } from '@nestjs/common'
import type { RequestId } from '@app/core'
import { DerReader } from '@app/der'
import type { StepRun } from '@app/queue'
import {
  CertificateStore,
  DecisionStore,
  officerEditOf,
  RequestStore,
  type RequestRow,
  type Reservation,
  type Unit
} from '@app/storage'
import { decodeName, formatName } from '@app/x509'
import { PolicyFacts } from '../evaluate/policy-facts.js'
import { Completion, type Order } from './completion.js'
import { OrderPreparation, type Refusal } from './order-preparation.js'

const batchSize = 32
/** How long a batch may take to be signed before another process may take it over. */
const leaseTime = 60_000
const because = { actor: 'role:authority' }

type Attempt = { readonly order: Order; readonly reservation: Reservation } | Refusal

/** Steps 7 to 9 of a request's life: reserve and record what will be signed, commit, sign, record the outcome. */
@Injectable()
export class IssueService {
  constructor(
    private readonly requests: RequestStore,
    private readonly certificates: CertificateStore,
    private readonly decisions: DecisionStore,
    private readonly facts: PolicyFacts,
    private readonly preparation: OrderPreparation,
    private readonly completion: Completion
  ) {}

  /** Issues a batch; `answered` hears which requests have their certificate. */
  async run(now: Date, answered: (ids: readonly RequestId[]) => void): Promise<StepRun> {
    // 1. Intent: serial numbers and the exact bytes to sign, committed before anything is signed.
    let orders: readonly Order[] = []
    const taken = await this.requests.withClaimed('issue', { limit: batchSize, now }, async (rows, unit) => {
      orders = await this.reserve(rows, unit, now)
      // failpoint: issue.reserved
    })
    // failpoint: issue.intent-committed
    const run: StepRun = { more: taken === batchSize, next: orders.length < taken ? ['respond'] : [] }
    if (orders.length === 0) return run
    // 2. Sign, and 3. record.
    const { issued, failure } = await this.completion.complete(orders, now)
    // failpoint: issue.recorded
    answered(issued)
    // failpoint: issue.answered
    if (failure !== undefined) throw failure
    return run
  }

  private async reserve(rows: readonly RequestRow[], unit: Unit, now: Date): Promise<readonly Order[]> {
    await this.abandonEarlier(rows, unit, now)
    // failpoint: issue.earlier-abandoned
    const facts = this.facts.batch(rows, now)
    // Only what waited for an officer can have been edited.
    const waited = rows.filter(row => row.pendingUntil !== null).map(row => row.id)
    const edits = await this.decisions.findEdits(waited, unit)
    const attempts = await Promise.all(
      rows.map(async (row): Promise<Attempt> => {
        const set = (edits.get(row.id) ?? []).map(officerEditOf)
        const order = await this.preparation.prepare(row, await facts.principal(row), set, now)
        return 'refusal' in order ? order : { order, reservation: reservationOf(order, now) }
      })
    )
    const ready = attempts.flatMap(attempt => ('order' in attempt ? [attempt] : []))
    const refusals = attempts.flatMap(attempt => ('refusal' in attempt ? [attempt.refusal] : []))
    const reservations = ready.map(({ reservation }) => reservation)
    const ids = ready.map(({ order }) => order.row.id)
    await this.certificates.reserve(unit, reservations)
    // failpoint: issue.serials-reserved
    await this.requests.lease(unit, ids, new Date(now.getTime() + leaseTime))
    await this.requests.moveAll(unit, refusals, now)
    return ready.map(attempt => attempt.order)
  }

  /**
   * A serial number that an earlier attempt reserved may have been signed or not; nobody knows. It is never used again
   * and goes on the CRL.
   */
  private async abandonEarlier(rows: readonly RequestRow[], unit: Unit, now: Date): Promise<void> {
    const tried = rows.filter(row => row.attempts > 0).map(row => row.id)
    if (tried.length === 0) return
    const earlier = await this.certificates.findReserved(tried, unit)
    await this.certificates.abandon(unit, earlier, because, now)
  }
}

function reservationOf({ row, ca, prepared, principalId }: Order, now: Date): Reservation {
  return {
    caId: row.caId,
    serialNumber: prepared.serialNumber,
    certIndex: ca.certIndex,
    requestId: row.id,
    archival: row.archival === true,
    sealedKeyRequestId: row.state === 'sealed' ? row.id : null,
    tbs: prepared.tbs,
    subject: formatName(decodeName(DerReader.over(prepared.subject), 'subject')),
    notBefore: prepared.notBefore,
    notAfter: prepared.notAfter,
    keyId: prepared.publicKey.keyId,
    principalId,
    reservedAt: now,
    templateName: row.templateName
  }
}
