import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, equalBytes, type Clock } from '@app/core'
import type { RevocationRequest } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { requireHolderRevocation } from '@app/policy'
import { Wakeups } from '@app/queue'
import {
  CertificateStore,
  Database,
  RevocationAnswerStore,
  RevocationStore,
  type CaRow,
  type CertificateRow,
  type MessageOf
} from '@app/storage'
import { decodeCertificate } from '@app/x509'
import type { AuthenticatedRequester } from '../requester/requester.js'

/** Milliseconds between two looks for the signed answer, which another process may have made. */
const pollEvery = 100

/** A message that revokes, with who sent it. */
export interface RevocationCall {
  readonly ca: CaRow
  readonly requester: AuthenticatedRequester
  readonly bytes: Uint8Array
  /** Milliseconds. */
  readonly wait: number
}

/** Revokes certificates for their holders: the revokeRequest control of CMC (RFC 10002 (RFC 5272), 6.11). */
@Injectable()
export class CmcRevocation {
  constructor(
    private readonly certificates: CertificateStore,
    private readonly revocations: RevocationStore,
    private readonly answers: RevocationAnswerStore,
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The signed answer, DER; the same message gets the same one again. Throws `not_found` for a certificate that is not
   * of this CA or that the sender has no proof for, `form_not_supported`, `invalid_argument` for a reason or a date
   * that is not a holder's, `revocation_state`, what the verification of the signature throws, and `unavailable` when
   * no answer is signed in time.
   */
  async answer(call: RevocationCall, wish: RevocationRequest): Promise<Uint8Array> {
    const messageDigest = createHash('sha256').update(call.bytes).digest()
    const message = { caId: call.ca.id, requesterId: call.requester.principal.id, messageDigest }
    if ((await this.answers.find(message)) === undefined) await this.revokeOnce(call, wish, message)
    this.wakeups.nudge('acknowledge')
    return this.signed(message, call.wait)
  }

  /** The same message may come twice at once; the second finds the certificate revoked by the first. */
  private async revokeOnce(call: RevocationCall, wish: RevocationRequest, message: MessageOf): Promise<void> {
    try {
      await this.revoke(call, wish, message)
    } catch (error) {
      if ((await this.answers.find(message)) === undefined) throw error
    }
  }

  private async revoke(call: RevocationCall, wish: RevocationRequest, message: MessageOf): Promise<void> {
    // 1. The certificate, and who may speak for it.
    const row = await this.holders(call, wish)
    const now = this.clock.now()
    requireHolderRevocation(wish, row, now)
    // 2. Revocation, audit event and the answer that is owed, in one transaction.
    const { reason, invalidityDate, bodyPartId, transactionId, senderNonce, dataReturn } = wish
    const why = { reason, ...(invalidityDate === undefined ? {} : { invalidityDate }) }
    const because = { actor: call.requester.name, detail: { by: 'cmc' } }
    await this.database.transaction(async unit => {
      await this.revocations.revokeOwn(row, row.principalId, why, because, now, unit)
      // failpoint: cmc-revoke.recorded
      await this.answers.add(unit, {
        ...message,
        bodyPartId,
        transactionId: transactionId ?? null,
        senderNonce: senderNonce ?? null,
        dataReturn: dataReturn ?? null,
        createdAt: now
      })
    })
    // failpoint: cmc-revoke.committed
    this.wakeups.nudge('crl')
  }

  /** A certificate that is not there and one that is another's are told alike. */
  private async holders(
    { ca, requester }: RevocationCall,
    wish: RevocationRequest
  ): Promise<CertificateRow & { readonly principalId: NonNullable<CertificateRow['principalId']> }> {
    const row = await this.certificates.findBySerial(ca.id, wish.serialNumber)
    const { principalId = null, certificate = null } = row ?? {}
    if (row !== undefined && row.state === 'issued' && principalId !== null && certificate !== null) {
      const decoded = decodeCertificate(certificate)
      const isNamed = equalBytes(decoded.issuer.raw, wish.issuer)
      if (isNamed && (wish.verify(decoded).isByItsOwnKey || principalId === requester.principal.id)) {
        return { ...row, principalId }
      }
    }
    throw new AppError('not_found', 'The message revokes a certificate that is none of yours at this CA.')
  }

  private async signed(message: MessageOf, wait: number): Promise<Uint8Array> {
    for (const deadline = Date.now() + wait; ; await sleep(pollEvery)) {
      const answer = await this.answers.find(message)
      if (answer?.fullResponse != null) return answer.fullResponse
      if (Date.now() < deadline) continue
      throw new AppError('unavailable', 'The certificate is revoked, and the answer is not signed yet. Send it again.')
    }
  }
}
