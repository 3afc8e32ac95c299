import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type Entropy } from '@app/core'
import { CLOCK, CONFIG, ENTROPY, type Config } from '@app/platform'
import { requireScopable, type HeldRole } from '@app/policy'
import { heldRoleOf, InvitationStore, type InvitationRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { invitationLink, newInvitation } from './invitation.js'
import type { InvitationView, InviteBody, NewInvitationView } from './invitations.schemas.js'

/** Links by which people become operators. */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly invitations: InvitationStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Makes a link. Throws `access_denied` for a CA that the caller is no administrator of. */
  async invite(body: InviteBody, operator: AuthenticatedOperator): Promise<NewInvitationView> {
    const caId = await this.named.caIdOf(body.ca)
    requirePermission(operator, 'operator.write', caId)
    const role: HeldRole = { role: body.role, caId, scope: body.scope ?? null }
    requireScopable(role)
    const by = { invitedBy: operator.name, hours: body.hours, now: this.clock.now() }
    const { row, secret } = newInvitation({ ...by, role, entropy: this.entropy })
    await this.invitations.add(row, { actor: operator.name })
    return { ...viewOf(row, await this.named.caNames()), link: invitationLink(this.config.publicUrl, secret) }
  }

  /** Those that can be redeemed still, at the CAs whose operators the caller may know. */
  async list(operator: AuthenticatedOperator): Promise<{ items: InvitationView[] }> {
    const caName = await this.named.caNames()
    const rows = await this.invitations.listOpen(this.clock.now())
    const known = rows.filter(({ caId }) => caId === null || operator.may('operator.read', caId))
    return { items: known.map(row => viewOf(row, caName)) }
  }

  /** Takes a link back. Throws `not_found` for one that cannot be redeemed any more or is for another CA. */
  async revoke(id: string, operator: AuthenticatedOperator): Promise<void> {
    const now = this.clock.now()
    const row = (await this.invitations.listOpen(now)).find(open => open.id === id)
    if (row === undefined || !operator.may('operator.write', row.caId)) throw notOpen()
    if (!(await this.invitations.revoke(id, { actor: operator.name }, now))) throw notOpen()
  }
}

function notOpen(): AppError {
  return new AppError('not_found', 'The link is unknown, used up, revoked or past its end. Ask for another one.')
}

function viewOf(
  row: Pick<
    InvitationRow,
    'id' | 'role' | 'caId' | 'scopeTemplates' | 'scopeGroups' | 'invitedBy' | 'createdAt' | 'expiresAt'
  >,
  caName: (id: number | null) => string | undefined
): InvitationView {
  const { scope } = heldRoleOf(row)
  const ca = caName(row.caId)
  return {
    id: row.id,
    role: row.role,
    ...(ca === undefined ? {} : { ca }),
    ...(scope === null ? {} : { scope: { templates: [...scope.templates], subjectGroups: [...scope.subjectGroups] } }),
    invitedBy: row.invitedBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString()
  }
}
