import type { Clock, Entropy } from '@app/core'
import { CaStore, InvitationStore, TemplateStore, type Database } from '@app/storage'
import { CaSetup } from '../../../authority/src/ca/ca-setup.js'
import { invitationLink, newInvitation, OPERATOR_TEMPLATE } from '../../../console/src/invitations/invitation.js'
import { withAdministration, type Administration } from './administration.js'

const firstHours = 24

/** What making the link of an administrator needs: the owner's connection. */
export interface InvitationParts {
  readonly database: Database
  readonly clock: Clock
  readonly entropy: Entropy
  /** Who makes it, for the audit log. */
  readonly actor: string
}

/**
 * Makes the link by which somebody becomes administrator of every CA, and takes back those that were made here before.
 * Gives its secret, which is stored nowhere. For the person at the machine, who needs no role.
 */
export async function inviteAdministrator({ database, clock, entropy, actor }: InvitationParts): Promise<string> {
  const invitations = new InvitationStore(database.dataSource)
  const now = clock.now()
  for (const { id, invitedBy } of await invitations.listOpen(now)) {
    if (invitedBy.startsWith('local:')) await invitations.revoke(id, { actor }, now)
  }
  const role = { role: 'administrator', caId: null, scope: null } as const
  const { row, secret } = newInvitation({ role, invitedBy: actor, hours: firstHours, now, entropy })
  await invitations.add(row, { actor })
  return secret
}

/** A link by which somebody becomes administrator, printed by the person at the machine. */
export function inviteLocally(): Promise<string> {
  return withAdministration(async administration => {
    await offerOperatorTemplate(administration)
    return invitationLink(administration.installation.config.publicUrl, await inviteAdministrator(administration))
  })
}

/** An installation that is older than the template of operators' certificates gets it now. */
async function offerOperatorTemplate({ database, installation, clock, entropy, actor }: Administration): Promise<void> {
  const templates = new TemplateStore(database.dataSource)
  if ((await templates.findActive(OPERATOR_TEMPLATE.name)) !== undefined) return
  await new CaSetup({ database, keys: installation.keys('authority'), clock, entropy }).provideTemplates()
  const cas = new CaStore(database.dataSource)
  for (const ca of await cas.list()) {
    const offered = (await templates.listOffered(ca.id)).map(({ name }) => name)
    await cas.offer(ca.id, [...offered, OPERATOR_TEMPLATE.name], { actor }, clock.now())
  }
}
