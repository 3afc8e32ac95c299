import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppError, type PrincipalId, type RequestId } from '@app/core'
import { issue, type PreparedCertificate } from '@app/issuance'
import {
  CertificateStore,
  Database,
  ExchangeKeyStore,
  RequestStore,
  ResponseStore,
  type IssuedCertificate,
  type RequestMove,
  type RequestRow,
  type ResponseRow,
  type Unit
} from '@app/storage'
import type { IssuingCa } from '../ca/ca-registry.js'
import { FullResponseFactory } from '../respond/full-response-factory.js'

/** An approved request with the certificate that is recorded as about to be signed. */
export interface Order {
  readonly row: RequestRow
  readonly ca: IssuingCa
  readonly prepared: PreparedCertificate
  /** Whom the certificate is for; null for the installation itself. */
  readonly principalId: PrincipalId | null
}

interface Signed {
  readonly order: Order
  readonly issued: IssuedCertificate
  readonly response: ResponseRow
}

const because = { actor: 'role:authority' }

/** Signs certificates that have been recorded, and records what came of it. */
@Injectable()
export class Completion {
  constructor(
    private readonly database: Database,
    private readonly requests: RequestStore,
    private readonly certificates: CertificateStore,
    private readonly responses: ResponseStore,
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly factory: FullResponseFactory
  ) {}

  /**
   * Signs all certificates and their full responses, then records everything in one transaction. What could not be
   * signed keeps its lease and is tried again with a new serial number. Tells the requests that are issued, and the first
   * failure when there was one.
   */
  async complete(
    orders: readonly Order[],
    now: Date
  ): Promise<{ readonly issued: readonly RequestId[]; readonly failure?: Error }> {
    const attempts = await Promise.allSettled(orders.map(order => this.sign(order, now)))
    const signed = attempts.flatMap(attempt => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    // failpoint: issue.signed
    if (signed.length > 0) await this.record(signed, now)
    const failed = attempts.find(attempt => attempt.status === 'rejected')
    return {
      issued: signed.map(({ order }) => order.row.id),
      ...(failed === undefined ? {} : { failure: failed.reason as Error })
    }
  }

  private async record(signed: readonly Signed[], now: Date): Promise<void> {
    await this.database.transaction(async unit => {
      await this.certificates.finish(
        unit,
        signed.map(({ issued }) => issued)
      )
      // failpoint: issue.certificates-stored
      const won = await this.requests.moveAll(unit, signed.map(moveOf), now)
      if (won.size !== signed.length) {
        throw new AppError('conflict', 'A request was decided otherwise while its certificate was being signed.')
      }
      // failpoint: issue.moved
      await this.responses.put(
        unit,
        signed.map(({ response }) => response)
      )
      // failpoint: issue.responses-stored
      await this.certifyExchangeKeys(unit, signed, now)
    })
  }

  private async sign(order: Order, now: Date): Promise<Signed> {
    const { row, ca, prepared } = order
    const certificate = await issue(prepared, ca.signer)
    const fullResponse = await this.factory.build(row, ca, { state: 'issued', certificate })
    return {
      order,
      issued: {
        caId: ca.id,
        serialNumber: prepared.serialNumber,
        certificate,
        sha1: createHash('sha1').update(certificate).digest(),
        sha256: createHash('sha256').update(certificate).digest(),
        issuedAt: now
      },
      response: { requestId: row.id, state: 'issued', fullResponse: Buffer.from(fullResponse), createdAt: now }
    }
  }

  private async certifyExchangeKeys(unit: Unit, signed: readonly Signed[], now: Date): Promise<void> {
    const exchange = signed.filter(({ order }) => order.row.templateName === 'CAExchange')
    if (exchange.length === 0) return
    const keys = await this.exchangeKeys.listInState('requested')
    for (const { order, issued } of exchange) {
      const key = keys.find(candidate => candidate.requestId === order.row.id)
      if (key === undefined) continue
      const { prepared, ca } = order
      const certificate = {
        certificate: Buffer.from(issued.certificate),
        issuer: Buffer.from(ca.certificate.subject.raw),
        serialNumber: Buffer.from(prepared.serialNumber),
        notBefore: prepared.notBefore,
        notAfter: prepared.notAfter,
        requestId: order.row.id,
        caKeyIndex: ca.keyIndex
      }
      await this.exchangeKeys.certify(key.id, certificate, because, now, unit)
    }
  }
}

function moveOf({ order }: Signed): RequestMove {
  const { row } = order
  return { id: row.id, from: row.state, to: 'issued', because, dispositionMessage: 'Issued', responded: true }
}
