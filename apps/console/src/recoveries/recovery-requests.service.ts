import { Inject, Injectable } from '@nestjs/common'
import { AppError, fromBase64, type Clock } from '@app/core'
import { decodeRecoveryRecipient } from '@app/escrow'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { requireOpen, requireOwnRecovery } from '@app/policy'
import { Wakeups } from '@app/queue'
import { RecoveryStore } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { ArchivedKeySearch, type FoundKey } from '../archived-keys/archived-key-search.js'
import type { RecoveryBody, RecoveryDetail } from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'

const HOUR = 3_600_000
const permission = 'recovery.request'
/** So many keys that fit are named when more than one does. */
const candidates = 20

/** Asking for the recovery of a key, and taking it back. */
@Injectable()
export class RecoveryRequests {
  constructor(
    private readonly recoveries: RecoveryStore,
    private readonly keys: ArchivedKeySearch,
    private readonly access: RecoveryAccess,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * Begins a recovery. Throws `not_found` when no archived key fits, `invalid_argument` when several do or the recipient
   * will not do, `restricted_officer` outside of the operator's scope.
   */
  async request(body: RecoveryBody, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    const now = this.clock.now()
    // 1. Which key, and whether the operator may.
    const { certificate, facts } = await this.only(body, operator)
    await this.access.requireScope(certificate, permission, operator)
    // 2. Whom it is for.
    const recipient = recipientOf(body, facts.mode, now)
    // 3. The recovery, with its event.
    const id = await this.recoveries.request(
      {
        caId: certificate.caId,
        requestId: certificate.requestId,
        serialNumber: certificate.serialNumber,
        ownerId: certificate.principalId,
        requesterId: operator.principal.id,
        requesterName: operator.name,
        reason: body.reason.trim(),
        ticket: body.ticket.trim(),
        recipient,
        requestedAt: now,
        expiresAt: new Date(now.getTime() + this.config.recovery.requestHours * HOUR)
      },
      { actor: operator.name }
    )
    // failpoint: recovery.requested
    // 4. The archive puts the agents' shares beside it. A lost wake-up is found by the sweep.
    this.wakeups.nudge('recoveries')
    return this.access.show(id, operator)
  }

  /** Takes a recovery back, for good. Throws `access_denied` for another's, `conflict` for one that has ended. */
  async withdraw(id: number, operator: AuthenticatedOperator): Promise<RecoveryDetail> {
    const row = await this.access.permitted(id, permission, operator)
    const now = this.clock.now()
    requireOwnRecovery(row, operator.principal.id)
    requireOpen(row, now)
    if (!(await this.recoveries.close(row.id, { state: 'withdrawn' }, { actor: operator.name }, now))) {
      requireOpen(await this.access.readable(id, operator), now)
    }
    return this.access.show(id, operator)
  }

  private async only({ key }: RecoveryBody, operator: AuthenticatedOperator): Promise<FoundKey> {
    const { rows, next } = await this.keys.find(key, { operator, permission }, candidates)
    const [found, ...others] = rows
    if (found === undefined) throw new AppError('not_found', 'No archived key fits what was given.')
    if (others.length === 0) return found
    const more = next === undefined ? '' : ' and more'
    const requests = rows.map(({ certificate }) => String(certificate.requestId)).join(', ')
    throw new AppError(
      'invalid_argument',
      `Several archived keys fit: those of the requests ${requests}${more}. Name one of them by its request.`,
      { requests }
    )
  }
}

function recipientOf({ recipient }: RecoveryBody, mode: FoundKey['facts']['mode'], now: Date): Uint8Array | null {
  const der = recipient === undefined ? undefined : fromBase64(recipient)
  if (der !== undefined) return decodeRecoveryRecipient(der, now).certificate.raw
  if (mode === 'any-agent') return null
  throw new AppError(
    'invalid_argument',
    'Several agents open this key together. Name the recipient that they encrypt their shares to: its certificate, or one for a one-time key.'
  )
}
