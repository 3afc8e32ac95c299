import { Inject, Injectable } from '@nestjs/common'
import type { Clock, PrincipalId } from '@app/core'
import type { AccountEntry } from '@app/directory'
import { accountNameOf, CLOCK } from '@app/platform'
import { DirectoryStore, GroupStore, type Because, type PrincipalRow } from '@app/storage'
import { isClosedGroup } from '../directory/principal-view.js'
import { isBuiltInGroup } from './account-import.js'

/** Puts accounts into groups as the entries of another directory say it. */
@Injectable()
export class MembershipImport {
  constructor(
    private readonly directory: DirectoryStore,
    private readonly groups: GroupStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Puts the members that an entry names by distinguished name into its group. Tells of those that are not known. Throws
   * `conflict` when the group would be in itself.
   */
  async add(group: PrincipalRow, { members }: AccountEntry, because: Because): Promise<readonly string[]> {
    if (members.length === 0 || isBuiltInGroup(group) || isClosedGroup(group.accountName)) return []
    const rows = await this.directory.findByDistinguishedNames(members)
    const found = new Map(rows.map(row => [row.distinguishedName?.toLowerCase(), row]))
    const notes: string[] = []
    for (const name of members) {
      const row = found.get(name.toLowerCase())
      if (row === undefined) notes.push(`Its member ${name} is not in the directory.`)
      else await this.addOne(group.id, row, because)
    }
    return notes
  }

  /** Puts one into a group. Whether it was not in it. */
  addOne(groupId: PrincipalId, member: PrincipalRow, { actor }: Because): Promise<boolean> {
    const because = { actor, detail: { account: accountNameOf(member) } }
    return this.groups.addMember({ groupId, memberId: member.id }, because, this.clock.now())
  }

  /** Takes one out of a group. Whether it was in it. */
  removeOne(groupId: PrincipalId, member: PrincipalRow, { actor }: Because): Promise<boolean> {
    const because = { actor, detail: { account: accountNameOf(member) } }
    return this.groups.removeMember({ groupId, memberId: member.id }, because, this.clock.now())
  }
}
