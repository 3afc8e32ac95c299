import { Inject, Injectable } from '@nestjs/common'
import { AppError, type PrincipalId } from '@app/core'
import { distinguishedNameKey, type AccountEntry } from '@app/directory'
import { LdapDirectory } from '@app/ldap'
import { CONFIG, type Config } from '@app/platform'
import { LdapEntryStore, PrincipalStore, type LdapEntryRow, type PrincipalRow } from '@app/storage'
import { AccountChanges } from '../directory/account-changes.js'
import { AccountImport, isBuiltInGroup, type ImportedAccount } from '../directory-import/account-import.js'
import { CertificateImport } from '../directory-import/certificate-import.js'
import { MembershipImport } from '../directory-import/membership-import.js'

/** An entry that is an account or group here now. */
export interface TakenEntry {
  readonly account: PrincipalRow
  readonly entry: AccountEntry
  readonly outcome: ImportedAccount['outcome']
  /** Whether it is disabled since this. */
  readonly isNowDisabled: boolean
  /** What is known of the entry from now on. */
  readonly row: LdapEntryRow
}

/** The stores that {@link LdapAccounts} reads. */
@Injectable()
export class LdapAccountStores {
  constructor(
    readonly entries: LdapEntryStore,
    readonly principals: PrincipalStore
  ) {}
}

/** Where accounts come from: who the audit log names, and the domain that the settings give them. */
@Injectable()
export class LdapOrigin {
  readonly because: { readonly actor: string }
  readonly domain: string | undefined

  constructor(ldap: LdapDirectory, @Inject(CONFIG) { directory }: Config) {
    this.because = { actor: ldap.actor }
    this.domain = directory.ldap.read.domain
  }
}

/** What the LDAP server says of accounts and groups, and takes back, as it is taken here. */
@Injectable()
export class LdapAccounts {
  constructor(
    private readonly stores: LdapAccountStores,
    private readonly accounts: AccountImport,
    private readonly certificates: CertificateImport,
    private readonly memberships: MembershipImport,
    private readonly changes: AccountChanges,
    private readonly origin: LdapOrigin
  ) {}

  /**
   * Adds or changes the account of an entry. What the entry does not have the account has no longer. It is disabled and
   * enabled as the entry says, but never enabled when somebody here has disabled it. Throws as {@link AccountImport.take}.
   */
  async take(entry: AccountEntry, row: LdapEntryRow): Promise<TakenEntry> {
    const domain = this.origin.domain ?? entry.domain
    if (domain === undefined) {
      throw new AppError('invalid_argument', 'Its distinguished name says no domain; set directory.ldap.read.domain.')
    }
    const { because } = this.origin
    const known = row.principalId === null ? undefined : await this.stores.principals.find(row.principalId)
    const taken = await this.accounts.take(entry, { domain, isWhole: true, known, because })
    const account = taken.row
    const notes = [...taken.notes, ...(await this.certificates.takePublished(account, entry, because))]
    const isDisabled = entry.isDisabled === true
    const isChanged =
      (isDisabled || row.disabledBySource) && (account.disabledAt !== null) !== isDisabled && !isBuiltInGroup(account)
        ? await this.changes.setDisabled(account, isDisabled, because)
        : false
    return {
      account,
      entry,
      outcome: taken.outcome === 'unchanged' && isChanged && !isDisabled ? 'changed' : taken.outcome,
      isNowDisabled: isChanged && isDisabled,
      row: {
        ...row,
        principalId: account.id,
        disabledBySource: isDisabled && (isChanged || row.disabledBySource),
        error: notes.length === 0 ? null : notes.join(' ')
      }
    }
  }

  /**
   * Makes the members of a group those that its entry names. Members that were put into it by hand stay. Tells how many
   * were put in or taken out, and how many of the entry are no accounts here.
   */
  async setMembers({ account: group, entry }: TakenEntry): Promise<{ changes: number; unknown: number }> {
    if (isBuiltInGroup(group)) return { changes: 0, unknown: 0 }
    const { entries } = this.stores
    const keys = entry.members.map(name => distinguishedNameKey(name) ?? name)
    const byName = await entries.findPrincipals(keys)
    const ids = new Set(keys.flatMap(key => byName.get(key) ?? []))
    const named = await this.findNamed(entry)
    for (const { id } of named) ids.add(id)
    const before = new Set(await entries.listMembers(group.id))
    let changes = 0
    for (const member of await this.findAll([...ids].filter(id => !before.has(id)))) {
      if (await this.memberships.addOne(group.id, member, this.origin.because)) changes++
    }
    for (const member of await this.findAll([...before].filter(id => !ids.has(id)))) {
      if (await this.memberships.removeOne(group.id, member, this.origin.because)) changes++
    }
    const unknown = keys.filter(key => !byName.has(key)).length + entry.memberNames.length - named.length
    return { changes, unknown }
  }

  /** Disables the account of an entry that the server has no longer. Whether it was not disabled before. */
  async remove({ principalId }: LdapEntryRow): Promise<boolean> {
    const account = principalId === null ? undefined : await this.stores.principals.find(principalId)
    if (account === undefined || isBuiltInGroup(account) || account.disabledAt !== null) return false
    return this.changes.setDisabled(account, true, this.origin.because)
  }

  /** The accounts that a group of RFC 2307 names by their account names. */
  private async findNamed({ memberNames, domain }: AccountEntry): Promise<readonly PrincipalRow[]> {
    const found: PrincipalRow[] = []
    for (const name of memberNames) {
      const row = await this.stores.principals.findByAccount(this.origin.domain ?? domain ?? '', name)
      if (row !== undefined && row.kind !== 'group') found.push(row)
    }
    return found
  }

  private async findAll(ids: readonly PrincipalId[]): Promise<readonly PrincipalRow[]> {
    return [...(await this.stores.principals.findAll(ids)).values()]
  }
}
