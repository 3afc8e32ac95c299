import type { PrincipalId } from '@app/core'
import { type DataSource, IsNull, MoreThan } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { invitationEntity } from './operator-entities.js'
import { selectList } from './entity.js'
import type { InvitationRow } from './operator-row.js'
import { query, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit, within } from './unit.js'

/** An invitation that is about to be given out. */
export type NewInvitation = Omit<InvitationRow, 'secretHash' | 'redeemedBy' | 'redeemedAt' | 'revokedAt'> & {
  readonly secretHash: Uint8Array
}

const OPEN: Statement = {
  text: `
    SELECT ${selectList(invitationEntity, 'i')} FROM certkeep.operator_invitation AS i
    WHERE i.redeemed_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $1 ORDER BY i.created_at, i.id`
}

/** Invitations to become an operator. For the console. */
export class InvitationStore {
  constructor(private readonly dataSource: DataSource) {}

  add(invitation: NewInvitation, because: Because, unit?: Unit): Promise<void> {
    const { id, role, caId, createdAt: at } = invitation
    return within(this.dataSource, unit, async open => {
      const row = { ...invitation, secretHash: Buffer.from(invitation.secretHash) }
      await translated(managerOf(this.dataSource, open).insert(invitationEntity, row as object))
      const change = { object: 'invitation', id, verb: 'added', at, detail: { role, caId } } as const
      await appendChange(this.dataSource, open, change, because)
    })
  }

  /** By the SHA-256 of its secret, when it can be redeemed still. */
  async findOpen(secretHash: Uint8Array, now: Date, unit?: Unit): Promise<InvitationRow | undefined> {
    const where = { secretHash: Buffer.from(secretHash), redeemedAt: IsNull(), revokedAt: IsNull() }
    const found = managerOf(this.dataSource, unit).findOne(invitationEntity, {
      where: { ...where, expiresAt: MoreThan(now) }
    })
    return (await translated(found)) ?? undefined
  }

  /** Those that can be redeemed still, the oldest first. */
  listOpen(now: Date): Promise<readonly InvitationRow[]> {
    return query<InvitationRow>(this.dataSource, undefined, OPEN, [now])
  }

  /** Whether this call, of any number at once, was the one that redeemed it. */
  redeem(id: string, principalId: PrincipalId, because: Because, now: Date, unit: Unit): Promise<boolean> {
    return this.end(id, { redeemedBy: principalId, redeemedAt: now }, { verb: 'redeemed', because, now }, unit)
  }

  /** Whether it could be redeemed until now. */
  revoke(id: string, because: Because, now: Date): Promise<boolean> {
    return inTransaction(this.dataSource, unit =>
      this.end(id, { revokedAt: now }, { verb: 'revoked', because, now }, unit)
    )
  }

  private async end(
    id: string,
    patch: Partial<InvitationRow>,
    { verb, because, now }: { readonly verb: 'redeemed' | 'revoked'; readonly because: Because; readonly now: Date },
    unit: Unit
  ): Promise<boolean> {
    const where = { id, redeemedAt: IsNull(), revokedAt: IsNull(), expiresAt: MoreThan(now) }
    const updated = await translated(managerOf(this.dataSource, unit).update(invitationEntity, where, patch as object))
    if (updated.affected !== 1) return false
    await appendChange(this.dataSource, unit, { object: 'invitation', id, verb, at: now }, because)
    return true
  }
}
