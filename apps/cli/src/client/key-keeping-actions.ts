import { allItems, type KeyDrillsPage, type KeyHold, type KeyPurge, type RetentionPolicy } from '@app/client'
import { AppError } from '@app/core'
import type { ConnectionOptions } from '../client-options.js'
import { findConnection, withConsole } from './connection.js'

/** What `key purge propose` takes. */
export interface ProposeOptions extends ConnectionOptions {
  readonly template?: string
  readonly reason: string
  readonly limit: number
  readonly dryRun?: boolean
}

async function caOf(options: ConnectionOptions): Promise<string> {
  const { ca } = await findConnection(options)
  if (ca === undefined) throw new AppError('invalid_argument', 'Name the CA with --ca.')
  return ca
}

/** Proposes a purge, or tells what it would be of. */
export async function proposePurge({ template, reason, limit, dryRun, ...options }: ProposeOptions): Promise<object> {
  const ca = await caOf(options)
  const proposal = { ca, reason, limit, ...(template && { template }), ...(dryRun && { dryRun }) }
  return withConsole(options, async ({ keyPurges }) => {
    const { purge, eligible, requestIds } = await keyPurges.propose(proposal)
    return { ...purge, eligible, keys: requestIds.length, requestIds }
  })
}

/** Purges, the newest first. */
export function listPurges({ ca, state, ...options }: ConnectionOptions & { readonly state?: KeyPurge['state'] }) {
  const query = { limit: 200, ...(ca && { ca }), ...(state && { state }) }
  return withConsole(options, ({ keyPurges }) =>
    allItems<KeyPurge>(cursor => keyPurges.list({ ...query, ...(cursor && { cursor }) }))
  )
}

/** A purge with its keys, each with what became of it. */
export function showPurge(id: number, options: ConnectionOptions): Promise<object> {
  return withConsole(options, async ({ keyPurges }) => ({
    ...(await keyPurges.show(id)),
    items: await allItems(cursor => keyPurges.keys(id, { limit: 200, ...(cursor && { cursor }) }))
  }))
}

/** Approves what another administrator proposed. */
export function approvePurge(id: number, options: ConnectionOptions): Promise<KeyPurge> {
  return withConsole(options, ({ keyPurges }) => keyPurges.approve(id))
}

/** Stops a purge. */
export function cancelPurge(id: number, options: ConnectionOptions): Promise<KeyPurge> {
  return withConsole(options, ({ keyPurges }) => keyPurges.cancel(id))
}

/** Keys that must not be purged. */
export function listHolds({
  lifted,
  ...options
}: ConnectionOptions & { readonly lifted?: boolean }): Promise<readonly KeyHold[]> {
  return withConsole(options, ({ keyRetention }) =>
    allItems(cursor => keyRetention.listHolds({ limit: 200, ...(lifted && { lifted }), ...(cursor && { cursor }) }))
  )
}

/** Holds the key of a request. */
export function holdKey(requestId: number, { reason, ...options }: ConnectionOptions & { readonly reason: string }) {
  return withConsole(options, ({ keyRetention }) => keyRetention.hold(requestId, reason))
}

/** Holds it no longer. */
export function liftHold(requestId: number, options: ConnectionOptions): Promise<void> {
  return withConsole(options, ({ keyRetention }) => keyRetention.lift(requestId))
}

/** How long keys are kept. */
export function listPolicies(options: ConnectionOptions): Promise<readonly RetentionPolicy[]> {
  return withConsole(options, ({ keyRetention }) => keyRetention.listPolicies())
}

/** Sets how long keys are kept, or with no number that they are kept for good. */
export async function setPolicy(
  days: number | undefined,
  { template, ...options }: ConnectionOptions & { readonly template?: string }
): Promise<void> {
  const policy = { ca: await caOf(options), ...(template && { template }) }
  await withConsole(options, ({ keyRetention }) =>
    days === undefined ? keyRetention.removePolicy(policy) : keyRetention.setPolicy({ ...policy, days })
  )
}

const pause = 500

/** How drills went; with `now`, after one has been run. */
export function drill({
  now,
  wait,
  ...options
}: ConnectionOptions & { readonly now?: boolean; readonly wait: number }): Promise<KeyDrillsPage> {
  return withConsole(options, async ({ keyDrills }) => {
    if (now !== true) return keyDrills.list({ limit: 20 })
    await keyDrills.order()
    const deadline = Date.now() + wait * 1000
    for (;;) {
      const page = await keyDrills.list({ limit: 20 })
      if (page.items[0]?.state !== 'due' || Date.now() >= deadline) return page
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  })
}
