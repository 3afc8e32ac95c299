import { Inject, Injectable } from '@nestjs/common'
import { toHex, type CaId, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { StatusChanges, Wakeups } from '@app/queue'
import {
  CaStore,
  CertificateSearch,
  RevocationStore,
  type Because,
  type CertificateSearchFilter,
  type FoundCertificate,
  type RegistrationRow,
  type Unit
} from '@app/storage'
import { CRL_REASONS } from '@app/x509'
import { createHash } from 'node:crypto'
import type { BlockBody } from './clients.schemas.js'

/** A certificate that was revoked with its client. */
export interface RevokedWithClient {
  readonly caId: CaId
  readonly serial: string
}

const pageSize = 200

/** The certificates that CAs of this installation issued to clients. */
@Injectable()
export class ClientCertificates {
  constructor(
    private readonly cas: CaStore,
    private readonly search: CertificateSearch,
    private readonly revocations: RevocationStore,
    private readonly wakeups: Wakeups,
    private readonly statusChanges: StatusChanges,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Revokes all of a client's account that are in force, and the one that it registered with; those revoked. */
  async revoke(
    client: RegistrationRow,
    reason: BlockBody['reason'],
    because: Because,
    unit: Unit
  ): Promise<readonly RevokedWithClient[]> {
    const now = this.clock.now()
    const detail = { ...because.detail, smsid: client.smsid }
    const found = await this.find(client, now, unit)
    for (const certificate of found) {
      await this.revocations.revoke(certificate, { reason: CRL_REASONS[reason] }, { ...because, detail }, now, unit)
    }
    return found.map(({ caId, serialNumber }) => ({ caId, serial: serialOf(serialNumber) }))
  }

  /** Has CRLs made and answers forgotten that do not know of what was revoked; after the commit. */
  announce(revoked: readonly RevokedWithClient[]): void {
    for (const caId of new Set(revoked.map(certificate => certificate.caId))) this.statusChanges.notify(caId)
    if (revoked.length > 0) this.wakeups.nudge('crl')
  }

  private async find(client: RegistrationRow, now: Date, unit: Unit): Promise<readonly FoundCertificate[]> {
    const caIds = (await this.cas.list(unit)).map(({ id }) => id)
    const fingerprint = createHash('sha256').update(client.signingCertificate).digest()
    const own =
      client.principalId === null ? [] : await this.every({ caIds, principalId: client.principalId }, now, unit)
    const registered = await this.every({ caIds, fingerprint }, now, unit)
    const known = new Set(own.map(({ requestId }) => requestId))
    return [...own, ...registered.filter(({ requestId }) => !known.has(requestId))]
  }

  private async every(filter: CertificateSearchFilter, now: Date, unit: Unit): Promise<readonly FoundCertificate[]> {
    const found: FoundCertificate[] = []
    let cursor: string | undefined
    do {
      const { rows, next } = await this.search.find({ ...filter, state: 'valid' }, now, pageSize, cursor, unit)
      found.push(...rows)
      cursor = next
    } while (cursor !== undefined)
    return found
  }
}

/** As the program writes serial numbers: without the octet that only says that the number is positive. */
function serialOf(serialNumber: Uint8Array): string {
  return toHex(serialNumber[0] === 0 ? serialNumber.subarray(1) : serialNumber)
}
