import type { RegisteredCertificate } from '../certificate-directory.js'
import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** The attributes of an account that may change; null takes one away. */
export interface AccountAttributes {
  readonly displayName?: string | null
  readonly distinguishedName?: string | null
  readonly upn?: string | null
  readonly mail?: string | null
  readonly dnsName?: string | null
  /** objectGUID of another directory. */
  readonly guid?: string | null
  /** All of them. */
  readonly servicePrincipalNames?: readonly string[]
  /** All of them (MS-PKCA 3.1.5.2.1.4). */
  readonly altSecurityIdentities?: readonly string[]
}

/** A user, a computer or a group. */
export interface DirectoryEntry {
  readonly id: string
  readonly kind: 'user' | 'computer' | 'group'
  readonly account: string
  readonly sid: string
  readonly displayName?: string
  readonly distinguishedName?: string
  readonly upn?: string
  readonly mail?: string
  readonly dnsName?: string
  /** objectGUID */
  readonly guid: string
  readonly servicePrincipalNames: readonly string[]
  readonly altSecurityIdentities: readonly string[]
  /** Every group that it is in, through others too. */
  readonly groups: readonly string[]
  readonly disabledAt?: string
  readonly createdAt: string
}

/** A user or computer to add. */
export interface NewAccount extends AccountAttributes {
  readonly kind: 'user' | 'computer'
  readonly account: string
  readonly domain: string
  readonly sid?: string
  readonly groups?: readonly string[]
}

/** What became of the entries of an LDIF file. */
export interface DirectoryImport {
  readonly added: number
  readonly changed: number
  readonly unchanged: number
  /** Entries that are no accounts of a domain. */
  readonly ignored: number
  /** What was not taken: whole entries (error), or something of one (warning). */
  readonly findings: readonly { readonly dn: string; readonly severity: 'error' | 'warning'; readonly detail: string }[]
}

/** One reading of the LDAP server that accounts come from. */
export interface LdapRun {
  readonly id: string
  readonly state: 'due' | 'running' | 'done' | 'failed'
  readonly requestedBy: string
  readonly requestedAt: string
  /** Whether every entry is read, changed or not. */
  readonly full: boolean
  readonly startedAt?: string
  readonly endedAt?: string
  /** Entries that the server has. */
  readonly entries: number
  readonly added: number
  readonly changed: number
  readonly disabled: number
  /** Entries that could not be taken. */
  readonly refused: number
  readonly error?: string
}

/** How reading the LDAP server stands. */
export interface LdapStatus {
  readonly enabled: boolean
  readonly everyMinutes: number
  /** Accounts and groups that come from the LDAP server. */
  readonly accounts: number
  readonly refused: number
  /** The latest, the newest first. */
  readonly runs: readonly LdapRun[]
}

/** A certificate that the LDAP server has not taken so far. */
export interface FailingPublication {
  readonly id: string
  readonly account: string
  readonly serialNumber: string
  readonly publishedAt: string
  readonly attempts: number
  /** Why the last attempt was in vain. */
  readonly error: string
}

/** What the list of the directory is narrowed by. */
export interface DirectoryQuery extends PageOptions {
  readonly kind?: DirectoryEntry['kind']
  /** How the account name, UPN, mail address or DNS name begins. */
  readonly name?: string
  readonly domain?: string
  readonly group?: string
  readonly disabled?: boolean
  readonly sid?: string
  /** objectGUID */
  readonly guid?: string
  readonly servicePrincipalName?: string
  readonly altSecurityIdentity?: string
}

/** A token of an account. */
export interface TokenInfo {
  readonly id: string
  readonly label: string
  readonly scopes: readonly string[]
  readonly ca?: string
  readonly createdAt: string
  readonly expiresAt?: string
  readonly revokedAt?: string
}

const base = '/api/v1/directory'
const at = (id: string, ...rest: readonly string[]): string =>
  [base, ...[id, ...rest].map(encodeURIComponent)].join('/')

/** Users, computers and groups. */
export class Directory {
  constructor(private readonly transport: Transport) {}

  list(query: DirectoryQuery = {}): Promise<ListPage<DirectoryEntry>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  show(id: string): Promise<DirectoryEntry & { readonly memberOf: readonly string[] }> {
    return this.transport.json({ path: at(id) })
  }

  add(entry: NewAccount | { readonly kind: 'group'; readonly account: string }): Promise<DirectoryEntry> {
    return this.transport.json({ method: 'POST', path: base, json: entry })
  }

  change(id: string, attributes: AccountAttributes): Promise<DirectoryEntry> {
    return this.transport.json({ method: 'PATCH', path: at(id), json: attributes })
  }

  /** Ends what an account's credentials are good for, at once. */
  async disable(id: string): Promise<void> {
    await this.transport.call({ method: 'POST', path: at(id, 'disable') })
  }

  async enable(id: string): Promise<void> {
    await this.transport.call({ method: 'POST', path: at(id, 'enable') })
  }

  /** Those directly in a group. */
  members(group: string, options: PageOptions = {}): Promise<ListPage<DirectoryEntry>> {
    return this.transport.json({ path: at(group, 'members'), query: { ...options } })
  }

  async addMember(group: string, member: string): Promise<void> {
    await this.transport.call({ method: 'PUT', path: at(group, 'members', member) })
  }

  async removeMember(group: string, member: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at(group, 'members', member) })
  }

  /** Adds and changes accounts and groups from LDIF, a file or a part of one with accounts before groups. */
  import(ldif: string, options: { readonly domain?: string } = {}): Promise<DirectoryImport> {
    return this.transport.json({ method: 'POST', path: `${base}/import`, json: { ldif, ...options } })
  }

  /** Every user, computer and group as LDIF, in pieces. */
  export(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.transport.stream({ path: `${base}/export` })
  }

  /** The certificates that an account has registered, in the order of registration. */
  async certificates(id: string): Promise<readonly RegisteredCertificate[]> {
    return (await this.transport.json<{ items: RegisteredCertificate[] }>({ path: at(id, 'certificates') })).items
  }

  /** Takes a certificate from an account, by its MD5 digest. Throws `not_found`. */
  async deregister(id: string, digest: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at(id, 'certificates', digest) })
  }

  /** The value of mSMQSignCertificates of an account (MS-MQMQ 2.2.21). */
  async exportUserSignCerts(id: string): Promise<Uint8Array> {
    return (await this.transport.call({ path: at(id, 'mqusersigncerts') })).body
  }

  /** How accounts are read from the LDAP server, and how that went. */
  ldap(): Promise<LdapStatus> {
    return this.transport.json({ path: `${base}/ldap` })
  }

  /** Has the LDAP server read now. Throws `conflict` while that is going on. */
  readLdap(options: { readonly full?: boolean; readonly acceptRemovals?: boolean } = {}): Promise<LdapRun> {
    return this.transport.json({ method: 'POST', path: `${base}/ldap/runs`, json: { ...options } })
  }

  /** One reading of the LDAP server. Throws `not_found`. */
  ldapRun(id: string): Promise<LdapRun> {
    return this.transport.json({ path: `${base}/ldap/runs/${encodeURIComponent(id)}` })
  }

  /** Entries of the LDAP server that could not be taken, or not wholly, and why. */
  refusedEntries(
    options: PageOptions = {}
  ): Promise<ListPage<{ readonly guid: string; readonly dn: string; readonly error: string }>> {
    return this.transport.json({ path: `${base}/ldap/refused`, query: { ...options } })
  }

  /** Certificates that the LDAP server of the settings has not taken so far. */
  publications(options: PageOptions = {}): Promise<ListPage<FailingPublication>> {
    return this.transport.json({ path: `${base}/publications`, query: { ...options } })
  }

  tokens(id: string): Promise<{ readonly items: readonly TokenInfo[] }> {
    return this.transport.json({ path: at(id, 'tokens') })
  }

  async revokeToken(id: string, token: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at(id, 'tokens', token) })
  }
}
