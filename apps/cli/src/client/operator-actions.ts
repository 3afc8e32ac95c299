import { allItems, type AgentScope, type HeldRoleView, type OperatorRoleName } from '@app/client'
import type { ConnectionOptions } from '../client-options.js'
import { withConsole } from './connection.js'

/** What an officer is to be limited to. */
export interface ScopeOptions {
  readonly scopeTemplate: readonly string[]
  readonly scopeGroup: readonly string[]
}

/** What `operator list` takes. */
export interface ListOperators extends ConnectionOptions {
  readonly account?: string
  readonly role?: OperatorRoleName
  readonly revoked?: boolean
}

/** Who holds which role. */
export function listOperators({
  account,
  role,
  revoked,
  ca,
  ...options
}: ListOperators): Promise<readonly HeldRoleView[]> {
  const query = { ...(account && { account }), ...(role && { role }), ...(ca && { ca }), ...(revoked && { revoked }) }
  return withConsole(options, ({ operators }) =>
    allItems(cursor => operators.list({ ...query, limit: 200, ...(cursor && { cursor }) }))
  )
}

/** Gives a role: at a CA when one is named, else for every CA. */
export function grantRole(
  account: string,
  role: OperatorRoleName,
  { ca, ...options }: ConnectionOptions & ScopeOptions
): Promise<HeldRoleView> {
  return withConsole(options, ({ operators }) =>
    operators.grant({ account, role, ...(ca && { ca }), ...scopeOf(options) })
  )
}

/** Takes a role away. */
export function revokeRole(id: string, options: ConnectionOptions): Promise<void> {
  return withConsole(options, ({ operators }) => operators.revoke(id))
}

/** Makes a link by which somebody becomes an operator. */
export function invite(
  role: OperatorRoleName,
  { ca, hours, ...options }: ConnectionOptions & ScopeOptions & { readonly hours: number }
): Promise<{ readonly link: string; readonly expiresAt: string }> {
  return withConsole(options, ({ invitations }) =>
    invitations.invite({ role, hours, ...(ca && { ca }), ...scopeOf(options) })
  )
}

/** Who the caller is to the server. */
export function whoAmI(options: ConnectionOptions): Promise<object> {
  return withConsole(options, ({ session }) => session.show())
}

/** The browsers in which an account is signed in; with `end` they are ended first. */
export function sessionsOf(
  account: string,
  { end, ...options }: ConnectionOptions & { readonly end?: boolean }
): Promise<readonly object[]> {
  return withConsole(options, async ({ session }) => {
    const { items } = await session.listOf(account)
    if (end !== true) return items
    for (const { id } of items) await session.endAny(id)
    return (await session.listOf(account)).items
  })
}

/** For whom enrollment agents may ask. */
export function listAgentScopes({
  account,
  ...options
}: ConnectionOptions & { readonly account?: string }): Promise<readonly AgentScope[]> {
  return withConsole(options, ({ enrollmentRights }) =>
    allItems(cursor =>
      enrollmentRights.listAgents({ limit: 200, ...(account && { account }), ...(cursor && { cursor }) })
    )
  )
}

/** Lets an enrollment agent ask for members of a group, for one template. */
export function grantAgentScope(
  account: string,
  {
    ca,
    template,
    subjectGroup,
    ...options
  }: ConnectionOptions & { readonly template: string; readonly subjectGroup: string }
): Promise<AgentScope> {
  return withConsole(options, ({ enrollmentRights }) =>
    enrollmentRights.grantAgent({ account, template, subjectGroup, ...(ca && { ca }) })
  )
}

/** Lets an enrollment agent ask for them no more. */
export function revokeAgentScope(id: string, options: ConnectionOptions): Promise<void> {
  return withConsole(options, ({ enrollmentRights }) => enrollmentRights.revokeAgent(id))
}

function scopeOf({ scopeTemplate, scopeGroup }: ScopeOptions): object {
  if (scopeTemplate.length === 0 && scopeGroup.length === 0) return {}
  return { scope: { templates: scopeTemplate, subjectGroups: scopeGroup } }
}
