import { createHash } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type Entropy } from '@app/core'
import { CLOCK, ENTROPY } from '@app/platform'
import { rolesPermitting } from '@app/policy'
import { heldRoleOf, InvitationStore, PrincipalStore, RoleStore, type InvitationRow, type Unit } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { newOperator, OPERATOR_TEMPLATE } from '../invitations/invitation.js'
import type { RedeemBody, RedeemedView } from '../invitations/invitations.schemas.js'

/** Becoming an operator by a link. */
@Injectable()
export class RedemptionService {
  constructor(
    private readonly invitations: InvitationStore,
    private readonly roles: RoleStore,
    private readonly principals: PrincipalStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(ENTROPY) private readonly entropy: Entropy
  ) {}

  /**
   * Makes an account with the role of the link, and a token that is good for one hour to enroll with. Throws
   * `unauthenticated` for a link that cannot be redeemed, `conflict` when the account exists.
   */
  async redeem({ secret, account, displayName }: RedeemBody): Promise<RedeemedView> {
    const now = this.clock.now()
    const secretHash = createHash('sha256').update(secret).digest()
    // Within the transaction nothing is read over another connection, of which there are few.
    const caName = await this.named.caNameFinder()
    return this.roles.exclusively(async unit => {
      // 1. The link is good, and whoever made it may still give the role.
      const row = await this.invitations.findOpen(secretHash, now, unit)
      if (row === undefined || !(await this.mayStillInvite(row, unit))) throw notOpen()
      // 2. The account, its role and its token; the link is used up.
      const sid = await this.principals.allocateSid(OPERATOR_TEMPLATE.domain, unit)
      const { principal, credential, token } = newOperator({
        account,
        displayName,
        sid,
        caId: row.caId,
        now,
        entropy: this.entropy
      })
      const because = { actor: row.invitedBy, detail: { invitation: row.id } }
      await this.principals.add(principal, because, unit)
      await this.roles.grant(principal.id, heldRoleOf(row), because, now, unit)
      await this.principals.addCredential(credential, because, unit)
      if (!(await this.invitations.redeem(row.id, principal.id, because, now, unit))) throw notOpen()
      return {
        account: `${principal.domain}\\${principal.accountName}`,
        sid,
        role: row.role,
        ca: caToEnrollAt(caName(row.caId)),
        template: OPERATOR_TEMPLATE.name,
        token,
        expiresAt: (credential.expiresAt ?? now).toISOString()
      }
    })
  }

  /** What the person at the machine has made stays good; what an administrator has, as long as it is one. */
  private async mayStillInvite({ invitedBy, caId }: InvitationRow, unit: Unit): Promise<boolean> {
    if (!invitedBy.includes('\\')) return true
    const [inviter] = await this.principals.findByName(invitedBy, unit)
    if (inviter === undefined || inviter.disabledAt !== null) return false
    const held = (await this.roles.listHeld(inviter.id, unit)).map(heldRoleOf)
    return rolesPermitting(held, 'operator.write', caId).length > 0
  }
}

function caToEnrollAt(name: string | undefined): string {
  if (name === undefined) throw new AppError('unavailable', 'There is no CA yet that could certify an operator.')
  return name
}

function notOpen(): AppError {
  return new AppError('unauthenticated', 'The link is unknown, used up, revoked or past its end. Ask for another one.')
}
