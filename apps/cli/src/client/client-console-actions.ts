import {
  allItems,
  type ClientDetail,
  type ClientItem,
  type ClientListQuery,
  type ConflictResolution,
  type RegistrationConflict,
  type RevocationReason
} from '@app/client'
import { AppError } from '@app/core'
import type { ConnectionOptions } from '../client-options.js'
import { withConsole } from './connection.js'

/** What `client list` takes. */
export type ClientListing = ConnectionOptions & Pick<ClientListQuery, 'status' | 'approval' | 'blocked' | 'name'>

/** What an operator says of a decision. */
type Said = ConnectionOptions & { readonly comment?: string }

/** Clients that have registered. */
export function listClients({
  status,
  approval,
  blocked,
  name,
  ...options
}: ClientListing): Promise<readonly ClientItem[]> {
  const given = Object.entries({ status, approval, blocked, name }).filter(([, value]) => value !== undefined)
  const query = Object.fromEntries(given) as ClientListQuery
  return withConsole(options, ({ clients }) =>
    allItems(cursor => clients.list({ ...query, limit: 200, ...(cursor && { cursor }) }))
  )
}

/** One client. */
export function showClient(smsid: string, options: ConnectionOptions): Promise<ClientDetail> {
  return withConsole(options, ({ clients }) => clients.show(smsid))
}

/** Approves, unapproves, blocks or unblocks a client. */
export function decideClient(
  verb: 'approve' | 'unapprove' | 'block' | 'unblock',
  smsid: string,
  { comment, reason, ...options }: Said & { readonly reason?: string }
): Promise<ClientDetail> {
  const said = comment === undefined ? {} : { comment }
  const decision = reason === undefined ? said : { ...said, reason: reason as RevocationReason }
  return withConsole(options, ({ clients }) => clients[verb](smsid, decision))
}

/** Conflicts that wait for an operator, or all of them. */
export function listConflicts({
  all,
  ...options
}: ConnectionOptions & { readonly all?: boolean }): Promise<readonly RegistrationConflict[]> {
  const narrowed = all === true ? {} : { open: true }
  return withConsole(options, ({ clients }) =>
    allItems(cursor => clients.conflicts({ ...narrowed, limit: 200, ...(cursor && { cursor }) }))
  )
}

/** Says what the two clients of a conflict are. */
export function resolveConflict(id: string, resolution: string, { comment, ...options }: Said): Promise<void> {
  if (!isResolution(resolution))
    throw new AppError('invalid_argument', 'A conflict is resolved with keep, new or merge.')
  return withConsole(options, ({ clients }) =>
    clients.resolve(id, resolution, comment === undefined ? {} : { comment })
  )
}

function isResolution(text: string): text is ConflictResolution {
  return text === 'keep' || text === 'new' || text === 'merge'
}
