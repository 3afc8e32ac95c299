import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { Attribute, Change, Client, EqualityFilter, FilterParser, TypeOrValueExistsError } from 'ldapts'
import { AppError, wipe } from '@app/core'
import { readSecretFile } from '@app/files'
import { LdapReader } from './ldap-reader.js'
import type { LdapSettings } from './ldap-settings.js'

/** An account as an LDAP server may know it. */
export interface LdapAccount {
  readonly accountName: string
  readonly distinguishedName: string | null
}

/**
 * One LDAP server. Each use signs in anew over a connection of its own, which is closed afterwards, so that nothing has to
 * be kept alive and a server that restarted is no special case.
 */
export class LdapDirectory {
  private constructor(
    private readonly settings: LdapSettings,
    private readonly trust: string | undefined
  ) {}

  /** Reads what the settings name. Throws `config_invalid` when there is no server in them or a file cannot be read. */
  static async open(settings: LdapSettings): Promise<LdapDirectory> {
    if (settings.url === undefined || settings.base === undefined) {
      throw new AppError('config_invalid', 'Set directory.ldap.url and directory.ldap.base to use an LDAP server.')
    }
    requireFilter(settings.read.filter)
    const { trustFile } = settings
    return new LdapDirectory(settings, trustFile === undefined ? undefined : await readTrust(trustFile))
  }

  /** What the audit log says of changes that come from this server. */
  get actor(): string {
    return `ldap:${new URL(this.settings.url ?? '').hostname}`
  }

  /**
   * Adds a certificate to the account's entry; one that is there already is left. Rejects when the server does not take
   * it, and when it has not exactly one entry for the account.
   */
  async addCertificate(account: LdapAccount, certificate: Uint8Array): Promise<void> {
    const client = await this.connect()
    try {
      const dn = account.distinguishedName ?? (await this.findDn(client, account.accountName))
      const type = this.settings.certificateAttribute
      const modification = new Attribute({ type, values: [Buffer.from(certificate)] })
      try {
        await client.modify(dn, new Change({ operation: 'add', modification }))
      } catch (error) {
        if (!(error instanceof TypeOrValueExistsError)) throw error
      }
    } finally {
      await disconnect(client)
    }
  }

  /** Signs in to read accounts; whoever calls closes the reader. Rejects when the server does not let it in. */
  async read(): Promise<LdapReader> {
    const client = await this.connect()
    return new LdapReader(client, this.settings, () => disconnect(client))
  }

  private async findDn(client: Client, accountName: string): Promise<string> {
    const { base = '', accountAttribute } = this.settings
    const filter = new EqualityFilter({ attribute: accountAttribute, value: accountName })
    const { searchEntries } = await client.search(base, { scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 })
    const [only, ...others] = searchEntries
    if (only !== undefined && others.length === 0) return only.dn
    throw new Error(
      `There is ${only === undefined ? 'no entry' : 'more than one entry'} of the account ${accountName}.`
    )
  }

  private async connect(): Promise<Client> {
    const { url = '', timeoutSeconds, bindDn } = this.settings
    const milliseconds = 1000 * timeoutSeconds
    const tls = url.startsWith('ldaps:')
      ? { tlsOptions: { ca: this.trust ?? [...rootCertificates], minVersion: 'TLSv1.2' as const } }
      : {}
    const client = new Client({ url, timeout: milliseconds, connectTimeout: milliseconds, ...tls })
    try {
      if (bindDn !== undefined) await this.signIn(client, bindDn)
      return client
    } catch (error) {
      await disconnect(client)
      throw error
    }
  }

  private async signIn(client: Client, bindDn: string): Promise<void> {
    const password = await readSecretFile(this.settings.passwordFile ?? '')
    try {
      await client.bind(bindDn, Buffer.from(password).toString('utf8'))
    } finally {
      wipe(password)
    }
  }
}

/** Why there was no good answer, in few words. */
export function ldapReasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`.slice(0, 500)
}

function requireFilter(filter: string): void {
  try {
    FilterParser.parseString(filter)
  } catch (cause) {
    throw new AppError('config_invalid', 'directory.ldap.read.filter is no LDAP filter (RFC 4515).', {}, { cause })
  }
}

async function disconnect(client: Client): Promise<void> {
  await client.unbind().catch(() => undefined)
}

async function readTrust(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError('config_invalid', `${path} cannot be read: ${reason}.`, { path }, { cause })
  }
}
