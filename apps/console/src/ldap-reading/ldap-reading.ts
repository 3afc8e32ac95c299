import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError } from '@app/core'
import { decodeAccountEntry, distinguishedNameKey, findEntryGuid } from '@app/directory'
import type { LdifEntry } from '@app/ldif'
import { LdapDirectory, type LdapReader, type ListedEntry } from '@app/ldap'
import { CONFIG, type Config } from '@app/platform'
import { LdapEntryStore, type LdapEntryRow, type LdapRunCounts, type LdapRunRow } from '@app/storage'
import { LdapAccounts, type TakenEntry } from './ldap-accounts.js'

/** Up to so many entries are read one by one; for more, everything is read at once. */
const FEW = 100
/** So many accounts may always be gone. */
const ALWAYS_GONE = 10

type Counts = { -readonly [Name in keyof LdapRunCounts]: number }

/** What one run works with. */
interface Work {
  readonly run: LdapRunRow
  readonly reader: LdapReader
  readonly known: ReadonlyMap<string, LdapEntryRow>
  readonly counts: Counts
}

/** Reads the LDAP server: what it has, what has changed since, and what it has no longer. */
@Injectable()
export class LdapReading {
  constructor(
    private readonly ldap: LdapDirectory,
    private readonly entries: LdapEntryStore,
    private readonly accounts: LdapAccounts,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * One run. It gives its counts after each piece of work, so that whoever drives it may stop there; a run that is begun
   * anew does what is left. Throws what stops it altogether; an entry that cannot be taken does not.
   */
  async *read(run: LdapRunRow): AsyncGenerator<LdapRunCounts, void, undefined> {
    const counts: Counts = { entries: 0, added: 0, changed: 0, disabled: 0, refused: 0 }
    await using reader = await this.ldap.read()
    // 1. What there is.
    const listed = new Map<string, ListedEntry>()
    for await (const page of reader.list()) {
      for (const entry of page) listed.set(entry.guid, entry)
      counts.entries = listed.size
      yield counts
    }
    const work: Work = { run, reader, known: await this.entries.readAll(), counts }
    // 2. What there is no longer. Before anything changes: a wrong base or filter must not disable everybody.
    const gone = await this.findGone(work, listed)
    // 3. What has changed: accounts, groups, then who is in which, when everybody is there.
    const wanted = new Map([...listed].filter(([guid, entry]) => run.isFull || isNews(entry, work.known.get(guid))))
    const groups: TakenEntry[] = []
    for await (const entry of readWanted(reader, wanted)) {
      const taken = await this.take(work, entry, wanted)
      if (taken !== undefined) groups.push(taken)
      yield counts
    }
    for (const group of groups) {
      await this.takeMembers(work, group)
      yield counts
    }
    // 4. Who is gone is disabled.
    for (const row of gone) {
      await this.remove(work, row)
      yield counts
    }
  }

  /** Those that were here and are there no longer. Throws `conflict` when they are more than a run may disable. */
  private async findGone(
    { run, reader, known }: Work,
    listed: ReadonlyMap<string, ListedEntry>
  ): Promise<readonly LdapEntryRow[]> {
    const there = [...known.values()].filter(row => !row.isGone)
    const taken = there.filter(row => row.principalId !== null)
    const missing = taken.filter(({ guid }) => !listed.has(guid))
    const most = Math.max(ALWAYS_GONE, (taken.length * this.config.directory.ldap.read.mostRemovedPercent) / 100)
    if (missing.length > most && !run.acceptsRemovals) {
      throw new AppError(
        'conflict',
        `The LDAP server has ${missing.length} of ${taken.length} accounts and groups no longer, more than are disabled ` +
          'at once. Nothing was changed. If that is right, read it again and accept removals.'
      )
    }
    const gone: LdapEntryRow[] = []
    // An entry that moved while the list was made may have been missed.
    for (const row of there) if (!listed.has(row.guid) && !(await reader.has(row.guid))) gone.push(row)
    return gone
  }

  /** Takes an entry. Gives it back when it is a group, whose members are still to be put into it. */
  private async take(
    work: Work,
    entry: LdifEntry,
    wanted: ReadonlyMap<string, ListedEntry>
  ): Promise<TakenEntry | undefined> {
    const listed = wanted.get(findEntryGuid(entry) ?? '')
    // One that was added or moved here since the list was made is the next run's.
    if (listed === undefined) return undefined
    const before = work.known.get(listed.guid)
    const row = rowOf(listed, entry.dn, before)
    try {
      const account = decodeAccountEntry(entry, this.config.directory.ldap)
      if (account === undefined) {
        await this.entries.put({ ...row, error: null })
        return undefined
      }
      const taken = await this.accounts.take(account, row)
      if (taken.outcome !== 'unchanged') work.counts[taken.outcome]++
      if (taken.isNowDisabled) work.counts.disabled++
      if (taken.row.error !== null) work.counts.refused++
      await this.entries.put(taken.row)
      return account.kind === 'group' ? taken : undefined
    } catch (error) {
      await this.refuse(work, row, error)
      return undefined
    }
  }

  private async takeMembers(work: Work, group: TakenEntry): Promise<void> {
    try {
      const { changes, unknown } = await this.accounts.setMembers(group)
      if (changes > 0 && group.outcome === 'unchanged') work.counts.changed++
      // Until all of them are known, the group is looked at each time.
      if (unknown > 0) await this.entries.put({ ...group.row, stamp: null })
    } catch (error) {
      await this.refuse(work, group.row, error)
    }
  }

  private async remove(work: Work, row: LdapEntryRow): Promise<void> {
    try {
      const isNowDisabled = await this.accounts.remove(row)
      if (isNowDisabled) work.counts.disabled++
      const disabledBySource = row.disabledBySource || isNowDisabled
      await this.entries.put({ ...row, stamp: null, isGone: true, disabledBySource, error: null })
    } catch (error) {
      await this.refuse(work, row, error)
    }
  }

  /** Records why an entry could not be taken. Throws what is not about the entry. */
  private async refuse({ counts }: Work, row: LdapEntryRow, error: unknown): Promise<void> {
    if (!isAppError(error) || error.code === 'unavailable' || error.code === 'internal') throw error
    counts.refused++
    await this.entries.put({ ...row, error: error.message })
  }
}

/** Whether an entry is to be read: it is new, has changed, is back, or could not be taken before. */
function isNews({ dn, stamp }: ListedEntry, before: LdapEntryRow | undefined): boolean {
  if (before === undefined || before.isGone || before.error !== null) return true
  return stamp === undefined || stamp !== before.stamp || dn !== before.dn
}

async function* readWanted(
  reader: LdapReader,
  wanted: ReadonlyMap<string, ListedEntry>
): AsyncGenerator<LdifEntry, void, undefined> {
  if (wanted.size > FEW) {
    for await (const page of reader.readAll()) yield* page
    return
  }
  for (const { dn } of wanted.values()) {
    const entry = await reader.find(dn)
    if (entry !== undefined) yield entry
  }
}

function rowOf({ guid, stamp }: ListedEntry, dn: string, before: LdapEntryRow | undefined): LdapEntryRow {
  return {
    guid,
    principalId: before?.principalId ?? null,
    dn,
    dnKey: distinguishedNameKey(dn) ?? dn,
    stamp: stamp ?? null,
    disabledBySource: before?.disabledBySource ?? false,
    isGone: false,
    error: before?.error ?? null
  }
}
