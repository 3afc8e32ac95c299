import { escapeFilter, NoSuchObjectError, type Client, type Entry } from 'ldapts'
import { AppError } from '@app/core'
import { ACCOUNT_ATTRIBUTES, decodeGuid, encodeGuid } from '@app/directory'
import type { LdifEntry } from '@app/ldif'
import type { LdapSettings } from './ldap-settings.js'
import { nextRangeOf, withoutRanges } from './value-range.js'

/** What a listing tells of an entry. */
export interface ListedEntry {
  readonly dn: string
  /** objectGUID, else entryUUID (RFC 4530). */
  readonly guid: string
  /**
   * What differs after each change: uSNChanged, entryCSN or modifyTimestamp, whichever the server has. Undefined when it
   * has none, or when the entry may change again without another.
   */
  readonly stamp: string | undefined
}

const PAGE = 500
const IDENTITY = ['objectGUID', 'entryUUID']
const STAMPS = ['uSNChanged', 'entryCSN', 'modifyTimestamp']
/** Values that are no text. */
const BINARY = ['objectGUID', 'objectSid', 'userCertificate', 'userCertificate;binary']
/** More than any installation has; a search that goes on and on ends here. */
const MOST_ENTRIES = 2_000_000

/** Reads the accounts of one LDAP server over one connection. No value of an entry ever becomes part of a filter as it is. */
export class LdapReader implements AsyncDisposable {
  constructor(
    private readonly client: Client,
    private readonly settings: LdapSettings,
    private readonly close: () => Promise<void>
  ) {}

  /**
   * Every entry below the base that the filter finds, page by page. Throws `unavailable` when the server tells of entries
   * without their identity, which only rights that are missing explain.
   */
  async *list(): AsyncGenerator<readonly ListedEntry[]> {
    for await (const page of this.search(this.settings.read.filter, [...IDENTITY, ...STAMPS])) {
      yield page.map(entry => {
        const guid = guidOf(entry)
        if (guid === undefined) {
          throw new AppError('unavailable', `The LDAP server tells no objectGUID or entryUUID of ${entry.dn}.`)
        }
        const exact = textOf(entry, 'uSNChanged') ?? textOf(entry, 'entryCSN')
        const coarse = textOf(entry, 'modifyTimestamp')
        return { dn: entry.dn, guid, stamp: exact ?? settledStamp(coarse) }
      })
    }
  }

  /** The entries that {@link list} tells of, with all that is read of an account. */
  async *readAll(): AsyncGenerator<readonly LdifEntry[]> {
    for await (const page of this.search(this.settings.read.filter, this.attributes())) {
      const whole: LdifEntry[] = []
      for (const entry of page) whole.push(await this.completed(entry))
      yield whole
    }
  }

  /** One entry; undefined when it is there no longer. */
  async find(dn: string): Promise<LdifEntry | undefined> {
    try {
      const attributes = this.attributes()
      const { searchEntries } = await this.client.search(dn, {
        scope: 'base',
        filter: this.settings.read.filter,
        attributes,
        explicitBufferAttributes: BINARY
      })
      const [entry] = searchEntries
      return entry === undefined ? undefined : await this.completed(entry)
    } catch (error) {
      if (error instanceof NoSuchObjectError) return undefined
      throw error
    }
  }

  /** Whether there is an entry of this identity, wherever below the base it is by now. */
  async has(guid: string): Promise<boolean> {
    const { base = '', read } = this.settings
    const isThere = escapeFilter`(|(entryUUID=${guid})(objectGUID=${Buffer.from(encodeGuid(guid))}))`
    const filter = `(&${read.filter}${isThere})`
    const { searchEntries } = await this.client.search(base, {
      scope: 'sub',
      filter,
      attributes: ['1.1'],
      sizeLimit: 1
    })
    return searchEntries.length > 0
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async *search(filter: string, attributes: readonly string[]): AsyncGenerator<readonly Entry[]> {
    const { base = '' } = this.settings
    let entries = 0
    for await (const { searchEntries } of this.client.searchPaginated(base, {
      scope: 'sub',
      filter,
      attributes: [...attributes],
      explicitBufferAttributes: BINARY,
      paged: { pageSize: PAGE }
    })) {
      entries += searchEntries.length
      if (entries > MOST_ENTRIES) throw new AppError('unavailable', 'The LDAP server has more entries than are read.')
      yield searchEntries
    }
  }

  /** Servers give values of long lists in ranges (MS-ADTS 3.1.1.3.1.3.3): the others are fetched, until the last. */
  private async completed(entry: Entry): Promise<LdifEntry> {
    const parts = [entry]
    for (let next = nextRangeOf(entry); next !== undefined;) {
      const { searchEntries } = await this.client.search(entry.dn, { scope: 'base', attributes: [next] })
      const [part] = searchEntries
      next = part === undefined ? undefined : nextRangeOf(part)
      if (part !== undefined) parts.push(part)
    }
    return withoutRanges(entry.dn, parts)
  }

  private attributes(): string[] {
    return [...new Set([...ACCOUNT_ATTRIBUTES, this.settings.accountAttribute])].filter(
      // Constructed by AD from names that are read anyway; elsewhere whoever may write the entry could claim any domain.
      name => name !== 'msDS-PrincipalName'
    )
  }
}

function guidOf(entry: Entry): string | undefined {
  const guid = bytesOf(entry, 'objectGUID')
  return guid === undefined ? textOf(entry, 'entryUUID')?.toLowerCase() : decodeGuid(guid)
}

/** A time of whole seconds tells of a change once that second is over; clocks may differ by a little. */
function settledStamp(stamp: string | undefined): string | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/
    .exec(stamp ?? '')
    ?.slice(1)
    .map(Number)
  if (parts === undefined) return undefined
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts
  return Date.now() - Date.UTC(year, month - 1, day, hour, minute, second) > UNSETTLED ? stamp : undefined
}

const UNSETTLED = 120_000

function bytesOf(entry: Entry, name: string): Buffer | undefined {
  const [value] = [entry[name] ?? []].flat()
  return value === undefined ? undefined : Buffer.from(value)
}

function textOf(entry: Entry, name: string): string | undefined {
  return bytesOf(entry, name)?.toString('utf8')
}
