import {
  allItems,
  everyItem,
  type AccountAttributes,
  type Console,
  type DirectoryEntry,
  type DirectoryQuery
} from '@app/client'
import { AppError } from '@app/core'
import type { ConnectionOptions } from '../client-options.js'
import { withConsole } from './connection.js'

/** What `directory search` takes. */
export type SearchOptions = ConnectionOptions &
  Pick<DirectoryQuery, 'kind' | 'name' | 'domain' | 'group' | 'disabled' | 'sid' | 'guid'> & {
    readonly spn?: string
    readonly altIdentity?: string
  }

/** Accounts and groups. */
export function searchDirectory({
  kind,
  name,
  domain,
  group,
  disabled,
  sid,
  guid,
  spn: servicePrincipalName,
  altIdentity: altSecurityIdentity,
  ...options
}: SearchOptions): Promise<readonly DirectoryEntry[]> {
  const query = { kind, name, domain, group, disabled, sid, guid, servicePrincipalName, altSecurityIdentity }
  const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined))
  return withConsole(options, ({ directory }) =>
    allItems(cursor => directory.list({ ...given, limit: 200, ...(cursor && { cursor }) }))
  )
}

/** One account or group, with the groups that it is directly in. */
export function showEntry(name: string, options: ConnectionOptions): Promise<object> {
  return withConsole(options, async ({ directory }) => directory.show((await findEntry(directory, name)).id))
}

/** Changes attributes of an account; an empty text takes one away, a list with an empty text all of its values. */
export function changeEntry(
  name: string,
  attributes: Readonly<Partial<Record<keyof AccountAttributes, string | readonly string[] | undefined>>>,
  options: ConnectionOptions
): Promise<object> {
  const given = Object.entries(attributes).filter(([, value]) => value === '' || (value?.length ?? 0) > 0)
  const body = Object.fromEntries(
    given.map(([member, value]) => [
      member,
      Array.isArray(value) ? value.filter(text => text !== '') : value === '' ? null : value
    ])
  )
  return withConsole(options, async ({ directory }) => directory.change((await findEntry(directory, name)).id, body))
}

/** Ends what an account may do at once, or lets it be used again. */
export function setDisabled(name: string, disabled: boolean, options: ConnectionOptions): Promise<void> {
  return withConsole(options, async ({ directory }) => {
    const { id } = await findEntry(directory, name)
    await (disabled ? directory.disable(id) : directory.enable(id))
  })
}

/** Adds a group. */
export function addGroup(name: string, options: ConnectionOptions): Promise<DirectoryEntry> {
  return withConsole(options, ({ directory }) => directory.add({ kind: 'group', account: name }))
}

/** Those directly in a group. */
export function listMembers(group: string, options: ConnectionOptions): Promise<readonly DirectoryEntry[]> {
  return withConsole(options, async ({ directory }) => {
    const { id } = await findEntry(directory, group, 'group')
    return allItems(cursor => directory.members(id, { limit: 200, ...(cursor && { cursor }) }))
  })
}

/** Puts an account or a group into a group, or takes it out. */
export function setMember(
  group: string,
  member: string,
  { isMember, ...options }: ConnectionOptions & { readonly isMember: boolean }
): Promise<void> {
  return withConsole(options, async ({ directory }) => {
    const { id } = await findEntry(directory, group, 'group')
    const { id: memberId } = await findEntry(directory, member)
    await (isMember ? directory.addMember(id, memberId) : directory.removeMember(id, memberId))
  })
}

/** The tokens of an account; with `revoke`, after that one has been revoked. */
export function tokensOf(
  name: string,
  { revoke, ...options }: ConnectionOptions & { readonly revoke?: string }
): Promise<readonly object[]> {
  return withConsole(options, async ({ directory }) => {
    const { id } = await findEntry(directory, name)
    if (revoke !== undefined) await directory.revokeToken(id, revoke)
    return (await directory.tokens(id)).items
  })
}

/** The groups that may enroll at a CA, after they have been set when some are given; null is whoever a template lets. */
export function enrollmentAt(
  ca: string,
  { groups, ...options }: ConnectionOptions & { readonly groups: readonly string[] | null | undefined }
): Promise<readonly string[] | null> {
  return withConsole(options, async ({ enrollmentRights }) => {
    if (groups !== undefined) await enrollmentRights.setEnrollGroups(ca, groups)
    return enrollmentRights.enrollGroups(ca)
  })
}

/** The one entry of a name: `DOMAIN\account`, or an account that one domain only has. Throws `not_found`. */
export async function findEntry(
  directory: Console['directory'],
  text: string,
  kind?: DirectoryEntry['kind']
): Promise<DirectoryEntry> {
  const name = text.slice(text.indexOf('\\') + 1)
  const wanted = text.toLowerCase()
  const found: DirectoryEntry[] = []
  for await (const entry of everyItem(cursor =>
    directory.list({ name, limit: 200, ...(kind && { kind }), ...(cursor && { cursor }) })
  )) {
    const account = entry.account.toLowerCase()
    if (account === wanted || account.slice(account.indexOf('\\') + 1) === wanted) found.push(entry)
  }
  const [only, ...others] = found
  if (only === undefined) throw new AppError('not_found', `There is no account or group "${text}".`)
  if (others.length > 0) throw new AppError('invalid_argument', `"${text}" is several; write DOMAIN\\account.`)
  return only
}
