import {
  everyItem,
  type ArchivedKeyItem,
  type Console,
  type KeyCriteria,
  type ListPage,
  type RecoveryDetail,
  type RecoveryItem,
  type RecoveryListQuery
} from '@app/client'
import type { KeyCriteriaOptions, KeyListOptions, PendingOptions, RecoveryOptions } from '../key-options.js'
import { printFacts, printJson, printRows, type Talk } from '../output.js'
import { withConsole } from './connection.js'

/** What an archived key is found by, of the options. The profile's CA counts for nothing: operators have several. */
export function criteriaOf(options: KeyCriteriaOptions): KeyCriteria {
  const { ca, serial, subject, upn, account, digest: fingerprint, request } = options
  const given = { ca, serial, subject, upn, account, fingerprint, request }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** Prints the archived keys that are found, up to the limit. */
export function listKeys(options: KeyListOptions): Promise<void> {
  return withConsole(options, async ({ archivedKeys }) => {
    const criteria = criteriaOf(options)
    const found = await firstItems(options.limit, page => archivedKeys.list({ ...criteria, ...page }))
    await (options.output === 'json' ? printJson(found) : printRows(found.map(rowOfKey)))
  })
}

/** An archived key in one row. */
export function rowOfKey(key: ArchivedKeyItem) {
  const { requestId, serialNumber, subject, account = '', state, mode, quorum, agents, algorithm, bits } = key
  const opened = mode === 'threshold' ? `${quorum} of ${agents.length} together` : `1 of ${agents.length}`
  const approvals = String(quorum)
  return { request: requestId, serialNumber, account, state, key: `${algorithm}-${bits}`, opened, approvals, subject }
}

/** Prints recoveries: those that are not over, unless a state is named. */
export function listRecoveries({ state, mine, ca, ...options }: PendingOptions): Promise<void> {
  return withConsole(options, async ({ recoveries }) => {
    const given = { ...(ca === undefined ? {} : { ca }), ...(mine === true ? { mine } : {}) }
    const states = state === undefined ? OPEN : [state]
    const found: RecoveryItem[] = []
    for (const each of states) {
      const query = { ...given, state: each as NonNullable<RecoveryListQuery['state']> }
      found.push(...(await firstItems(options.limit - found.length, page => recoveries.list({ ...query, ...page }))))
    }
    await (options.output === 'json' ? printJson(found) : printRows(found.map(rowOfRecovery)))
  })
}

const OPEN = ['requested', 'approved'] as const

function rowOfRecovery(recovery: RecoveryItem) {
  const { id, state, approvals, account = '', requestedBy, ticket, expiresAt, subject } = recovery
  return {
    id,
    state,
    approvals: `${approvals.given}/${approvals.needed}`,
    account,
    requestedBy,
    ticket,
    expiresAt,
    subject
  }
}

/** Prints one recovery. */
export function showRecovery(id: number, options: RecoveryOptions): Promise<void> {
  return withRecovery(options, recoveries => recoveries.get(id))
}

/** Refuses a recovery for good. */
export function refuseRecovery(
  id: number,
  options: RecoveryOptions & { readonly reason: string },
  talk: Talk
): Promise<void> {
  return withRecovery(options, async recoveries => {
    const refused = await recoveries.refuse(id, options.reason)
    talk.say(`Recovery ${id} is refused, for good.`)
    return refused
  })
}

/** Takes back a recovery that the caller asked for. */
export function withdrawRecovery(id: number, options: RecoveryOptions, talk: Talk): Promise<void> {
  return withRecovery(options, async recoveries => {
    const withdrawn = await recoveries.withdraw(id)
    talk.say(`Recovery ${id} is withdrawn.`)
    return withdrawn
  })
}

function withRecovery(
  options: RecoveryOptions,
  work: (recoveries: Console['recoveries']) => Promise<RecoveryDetail>
): Promise<void> {
  return withConsole(options, async ({ recoveries }) => printFacts({ ...(await work(recoveries)) }, options.output))
}

async function firstItems<Item>(
  most: number,
  list: (page: { readonly limit: number; readonly cursor?: string }) => Promise<ListPage<Item>>
): Promise<Item[]> {
  const found: Item[] = []
  const limit = Math.min(most, 200)
  if (limit < 1) return found
  for await (const item of everyItem(cursor => list({ limit, ...(cursor && { cursor }) }))) {
    found.push(item)
    if (found.length === most) break
  }
  return found
}
