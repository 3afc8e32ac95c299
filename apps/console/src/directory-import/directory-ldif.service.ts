import { Readable } from 'node:stream'
import { Injectable } from '@nestjs/common'
import { AppError, isAppError, type PrincipalId } from '@app/core'
import { accountNameInDirectory, decodeAccountEntry, encodeAccountEntry, type AccountEntry } from '@app/directory'
import { decodeLdif, encodeLdif, type LdifEntry } from '@app/ldif'
import { DirectoryExportStore, DirectoryStore, type Because, type PrincipalRow } from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import { AccountChanges } from '../directory/account-changes.js'
import { isClosedGroup } from '../directory/principal-view.js'
import { AccountImport, isBuiltInGroup } from './account-import.js'
import { CertificateImport } from './certificate-import.js'
import type { ImportBody, ImportFinding, ImportView } from './directory-ldif.schemas.js'
import { MembershipImport } from './membership-import.js'

const PAGE = 200

/** The directory as LDIF, in and out. */
@Injectable()
export class DirectoryLdifService {
  constructor(
    private readonly directory: DirectoryStore,
    private readonly exports: DirectoryExportStore,
    private readonly accounts: AccountImport,
    private readonly certificates: CertificateImport,
    private readonly memberships: MembershipImport,
    private readonly changes: AccountChanges
  ) {}

  /**
   * Takes the entries of a file: accounts and groups, then who is in which group. What an entry does not say stays, and
   * nobody is taken out of a group. An entry that cannot be taken does not hold back the others. Throws `ldif_invalid`.
   */
  async import(body: ImportBody, operator: AuthenticatedOperator): Promise<ImportView> {
    const because = { actor: operator.name }
    const counts = { added: 0, changed: 0, unchanged: 0, ignored: 0 }
    const findings: ImportFinding[] = []
    const groups: { readonly group: PrincipalRow; readonly entry: AccountEntry }[] = []
    // 1. Accounts and groups.
    for (const entry of decodeLdif(body.ldif)) {
      await collecting(entry, findings, async () => {
        const account = decodeAccountEntry(entry, body)
        if (account === undefined) {
          counts.ignored++
          return []
        }
        const { row, outcome, notes } = await this.takeEntry(account, body.domain, because)
        counts[outcome]++
        if (row.kind === 'group') groups.push({ group: row, entry: account })
        return notes
      })
    }
    // 2. Memberships, now that everybody is there.
    for (const { group, entry } of groups) {
      await collecting(entry, findings, () => this.memberships.add(group, entry, because))
    }
    return { ...counts, findings }
  }

  /** Every user, computer and group, as AD would write it, page by page. */
  export(): Readable {
    const pages = async function* (service: DirectoryLdifService): AsyncGenerator<string> {
      yield encodeLdif([])
      let cursor: PrincipalId | undefined
      do {
        const page = await service.directory.search({}, PAGE, cursor)
        const entries = await service.entriesOf(page.rows)
        if (entries.length > 0) yield `\n${encodeLdif(entries).replace(/^version: 1\n\n/, '')}`
        cursor = page.next
      } while (cursor !== undefined)
    }
    return Readable.from(pages(this), { objectMode: false })
  }

  private async takeEntry(entry: AccountEntry, given: string | undefined, because: Because) {
    const domain = given ?? entry.domain
    if (domain === undefined) {
      throw new AppError('invalid_argument', 'Neither the call nor the entry says the domain; give one.')
    }
    const taken = await this.accounts.take(entry, { domain, isWhole: false, because })
    const { row } = taken
    if (isBuiltInGroup(row)) return taken
    const notes = [
      ...(await this.certificates.takePublished(row, entry, because)),
      ...(await this.certificates.takeRegistered(row, entry, because))
    ]
    if (entry.isDisabled !== undefined && entry.isDisabled !== (row.disabledAt !== null)) {
      await this.changes.setDisabled(row, entry.isDisabled, because)
    }
    return { ...taken, notes: [...taken.notes, ...notes] }
  }

  private async entriesOf(rows: readonly PrincipalRow[]): Promise<readonly LdifEntry[]> {
    const groups = rows.filter(row => row.kind === 'group' && !isBuiltInGroup(row))
    const partsOf = await this.exports.read(
      rows.map(({ id }) => id),
      groups.map(({ id }) => id)
    )
    return rows.flatMap(row => {
      const { kind } = row
      // Who is in the group of operators follows from the roles, which are of this installation alone.
      if (kind === 'system' || (kind === 'group' && isClosedGroup(row.accountName))) return []
      const { certificates, signCertificates, members } = partsOf(row.id)
      const guid = row.guid ?? row.id
      const isDisabled = row.disabledAt !== null
      const names = members.map(accountNameInDirectory)
      return [encodeAccountEntry({ ...row, kind, guid, isDisabled, certificates, signCertificates, members: names })]
    })
  }
}

async function collecting(
  { dn }: { readonly dn: string },
  findings: ImportFinding[],
  work: () => Promise<readonly string[]>
): Promise<void> {
  try {
    for (const detail of await work()) findings.push({ dn, severity: 'warning', detail })
  } catch (error) {
    if (!isAppError(error) || error.code === 'internal' || error.code === 'unavailable') throw error
    findings.push({ dn, severity: 'error', detail: error.message })
  }
}
