import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, asPrincipalId, type Clock } from '@app/core'
import type { AccountEntry } from '@app/directory'
import { accountNameOf, CLOCK } from '@app/platform'
import {
  DirectoryStore,
  GROUP_DOMAIN,
  PrincipalStore,
  type Because,
  type PrincipalAttributes,
  type PrincipalRow
} from '@app/storage'
import { AccountChanges } from '../directory/account-changes.js'
import { requireOpenGroup } from '../directory/principal-view.js'

/** How an entry of another directory is taken. */
export interface ImportTerms {
  readonly domain: string
  /** Whether what the entry does not say is taken away; else it stays. */
  readonly isWhole: boolean
  /** The account that the entry is known to be. */
  readonly known?: PrincipalRow | undefined
  readonly because: Because
}

/** What became of an entry. */
export interface ImportedAccount {
  readonly row: PrincipalRow
  readonly outcome: 'added' | 'changed' | 'unchanged'
  /** What could not be taken. */
  readonly notes: readonly string[]
}

const builtInGroup = { user: 'Domain Users', computer: 'Domain Computers' } as const

/** Whether the group is one that every installation has, and whose members follow from the kinds of accounts. */
export function isBuiltInGroup({ kind, accountName }: Pick<PrincipalRow, 'kind' | 'accountName'>): boolean {
  return kind === 'group' && Object.values<string>(builtInGroup).includes(accountName)
}

/** Adds accounts and groups as another directory has them, and changes those that are there. */
@Injectable()
export class AccountImport {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly directory: DirectoryStore,
    private readonly changes: AccountChanges,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Takes one entry. It is the account with its GUID, else its SID, else its name. Throws `conflict` when that is an
   * account of another kind, with another SID or GUID, or when it may not be changed.
   */
  async take(entry: AccountEntry, terms: ImportTerms): Promise<ImportedAccount> {
    const row = terms.known ?? (await this.find(entry, terms.domain))
    if (row === undefined) return { row: await this.add(entry, terms), outcome: 'added', notes: [] }
    requireSame(row, entry)
    if (isBuiltInGroup(row)) return this.takeBuiltIn(row, entry, terms)
    if (row.kind === 'group') requireOpenGroup(row.accountName)
    const isChanged = await this.changes.change(row, attributesOf(entry, terms, row), terms.because)
    const isRenamed = entry.accountName.toLowerCase() !== row.accountName.toLowerCase()
    return {
      row,
      outcome: isChanged ? 'changed' : 'unchanged',
      notes: isRenamed ? [`It is ${entry.accountName} there and stays ${accountNameOf(row)}: names never change.`] : []
    }
  }

  private async find(
    { guid, sid, kind, accountName }: AccountEntry,
    domain: string
  ): Promise<PrincipalRow | undefined> {
    const byGuid = guid === undefined ? undefined : await this.directory.findByGuid(guid)
    const bySid = byGuid ?? (sid === undefined ? undefined : await this.principals.findBySid(sid))
    return bySid ?? this.principals.findByAccount(kind === 'group' ? GROUP_DOMAIN : domain, accountName)
  }

  private async add(entry: AccountEntry, terms: ImportTerms): Promise<PrincipalRow> {
    const { kind, accountName } = entry
    const domain = kind === 'group' ? GROUP_DOMAIN : terms.domain
    const id = asPrincipalId(randomUUID())
    const attributes = attributesOf(entry, { ...terms, isWhole: true }, undefined)
    await this.changes.requireUnique(id, attributes)
    const sid = entry.sid ?? (await this.principals.allocateSid(domain))
    const groupNames = kind === 'group' ? [] : [builtInGroup[kind]]
    const displayName = entry.displayName ?? accountName
    const row = { id, kind, sid, accountName, domain, ...attributes, displayName, groupNames }
    const added = { ...row, createdAt: this.clock.now(), disabledAt: null }
    const { disabledAt, ...values } = added
    await this.principals.add(values, terms.because)
    return { ...values, disabledAt }
  }

  /** Of a built-in group nothing is taken but its place, by which entries name it as a member. */
  private async takeBuiltIn(
    row: PrincipalRow,
    { dn }: AccountEntry,
    { because }: ImportTerms
  ): Promise<ImportedAccount> {
    const distinguishedName = row.distinguishedName ?? dn
    const isChanged = await this.changes.change(row, { distinguishedName }, because)
    return { row, outcome: isChanged ? 'changed' : 'unchanged', notes: [] }
  }
}

function requireSame(row: PrincipalRow, { kind, sid, guid }: AccountEntry): void {
  const name = accountNameOf(row)
  if (row.kind !== kind) throw new AppError('conflict', `${name} is a ${row.kind} here.`)
  if (isBuiltInGroup(row)) return
  if (sid !== undefined && sid !== row.sid) throw new AppError('conflict', `${name} has another SID here, ${row.sid}.`)
  if (guid !== undefined && row.guid !== null && guid !== row.guid) {
    throw new AppError('conflict', `${name} comes from another entry, ${row.guid}.`)
  }
}

function attributesOf(
  entry: AccountEntry,
  { isWhole, domain }: ImportTerms,
  row: PrincipalRow | undefined
): PrincipalAttributes {
  const { kind, accountName, displayName, mail, dnsName, guid } = entry
  const kept = <T>(said: T | null, had: T | null | undefined): T | null => said ?? (isWhole ? null : (had ?? null))
  const list = (said: readonly string[], had: readonly string[] | undefined): readonly string[] =>
    said.length > 0 || isWhole ? said : (had ?? [])
  const ownUpn = kind === 'user' ? `${accountName}@${domain}`.toLowerCase() : null
  return {
    displayName: displayName ?? row?.displayName ?? accountName,
    distinguishedName: entry.dn,
    upn: entry.upn ?? row?.upn ?? ownUpn,
    mail: kept(mail, row?.mail),
    dnsName: kept(dnsName, row?.dnsName),
    // The GUID of an account that was never elsewhere is its id, and an export says so.
    guid: guid === undefined || guid === row?.id ? (row?.guid ?? null) : guid,
    servicePrincipalNames: list(entry.servicePrincipalNames, row?.servicePrincipalNames),
    altSecurityIdentities: list(entry.altSecurityIdentities, row?.altSecurityIdentities)
  }
}
