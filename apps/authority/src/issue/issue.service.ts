import { Injectable } from '@nestjs/common'
import { isAppError, type RequestId } from '@app/core'
import { DerReader } from '@app/der'
import type { PreparedCertificate } from '@app/issuance'
import {
  CertificateStore,
  RequestStore,
  type RequestMove,
  type RequestRow,
  type Reservation,
  type Unit
} from '@app/storage'
import { decodeName, formatName } from '@app/x509'
import { CaRegistry } from '../ca/ca-registry.js'
import { PolicyFacts } from '../evaluate/policy-facts.js'
import { Completion, type Order } from './completion.js'
import { OrderPreparation } from './order-preparation.js'

const batchSize = 32
/** How long a batch may take to be signed before another process may take it over. */
const leaseTime = 60_000
const because = { actor: 'role:authority' }

type Attempt =
  | { readonly row: RequestRow; readonly order: Order; readonly reservation: Reservation }
  | { readonly row: RequestRow; readonly refusal: RequestMove }

/** Steps 8 and 9 of a request's life: reserve and record what will be signed, commit, sign, record the outcome. */
@Injectable()
export class IssueService {
  constructor(
    private readonly requests: RequestStore,
    private readonly certificates: CertificateStore,
    private readonly registry: CaRegistry,
    private readonly facts: PolicyFacts,
    private readonly preparation: OrderPreparation,
    private readonly completion: Completion
  ) {}

  /** Issues a batch. Returns how many rows it took up; `answered` hears which have their certificate. */
  async run(now: Date, answered: (ids: readonly RequestId[]) => void): Promise<number> {
    // 1. Intent: serial numbers and the exact bytes to sign, committed before anything is signed.
    let orders: readonly Order[] = []
    const taken = await this.requests.withClaimed('issue', { limit: batchSize, now }, async (rows, unit) => {
      orders = await this.reserve(rows, unit, now)
    })
    // 2. Sign, and 3. record.
    if (orders.length > 0) answered(await this.completion.complete(orders, now))
    return taken
  }

  private async reserve(rows: readonly RequestRow[], unit: Unit, now: Date): Promise<readonly Order[]> {
    await this.abandonEarlier(rows, unit, now)
    const facts = this.facts.batch(now)
    const attempts = await Promise.all(
      rows.map(async (row): Promise<Attempt> => {
        try {
          const ca = await this.registry.get(row.caId)
          const principal = await facts.principal(row)
          const prepared = await this.preparation.prepare(row, principal, ca, now)
          const principalId = principal === undefined || principal.kind === 'system' ? null : principal.id
          const reservation = { ...reservationOf(row, prepared, ca.certIndex, now), principalId }
          return { row, order: { row, ca, prepared }, reservation }
        } catch (error) {
          if (!isAppError(error) || error.code === 'internal') throw error
          const failure = { code: error.code, message: error.message }
          return {
            row,
            refusal: {
              id: row.id,
              from: row.state,
              to: 'failed',
              because,
              failure,
              dispositionMessage: `Error: ${error.message}`
            }
          }
        }
      })
    )
    const ready = attempts.flatMap(attempt => ('order' in attempt ? [attempt] : []))
    await this.certificates.reserve(
      unit,
      ready.map(attempt => attempt.reservation)
    )
    await this.requests.lease(
      unit,
      ready.map(attempt => attempt.row.id),
      new Date(now.getTime() + leaseTime)
    )
    await this.requests.moveAll(
      unit,
      attempts.flatMap(attempt => ('refusal' in attempt ? [attempt.refusal] : [])),
      now
    )
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

function reservationOf(
  row: RequestRow,
  prepared: PreparedCertificate,
  certIndex: number,
  now: Date
): Omit<Reservation, 'principalId'> {
  return {
    caId: row.caId,
    serialNumber: prepared.serialNumber,
    certIndex,
    requestId: row.id,
    archival: row.archival === true,
    sealedKeyRequestId: row.state === 'sealed' ? row.id : null,
    tbs: prepared.tbs,
    subject: formatName(decodeName(DerReader.over(prepared.subject), 'subject')),
    notBefore: prepared.notBefore,
    notAfter: prepared.notAfter,
    keyId: prepared.publicKey.keyId,
    reservedAt: now
  }
}
