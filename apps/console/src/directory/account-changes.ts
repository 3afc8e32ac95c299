import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type PrincipalId } from '@app/core'
import { accountNameOf, CLOCK } from '@app/platform'
import {
  DirectoryStore,
  GroupStore,
  RoleStore,
  type Because,
  type PrincipalAttributes,
  type PrincipalRow,
  type Unit
} from '@app/storage'
import { closedGroup, isClosedGroup } from './principal-view.js'

/** The attributes that a person is found by at sign-in, or that certificates name for other systems to trust. */
const identifying = ['upn', 'mail', 'dnsName'] as const

/** What holds for every change of an account, whether an operator makes it, an import, or another directory. */
@Injectable()
export class AccountChanges {
  constructor(
    private readonly directory: DirectoryStore,
    private readonly groups: GroupStore,
    private readonly roles: RoleStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Changes attributes. Whether one was another before. Throws `conflict` for a name that another account has, and for
   * those that say who signs in, of an account that holds a role: whoever could change them could sign in as that
   * operator.
   */
  change(row: PrincipalRow, attributes: Partial<PrincipalAttributes>, because: Because): Promise<boolean> {
    return this.roles.exclusively(async unit => {
      const changed = changedOf(row, attributes)
      if (changed.length === 0) return false
      const touches = changed.some(([name]) => (identifying as readonly string[]).includes(name))
      if (touches && (await this.roles.listHeld(row.id, unit)).length > 0) {
        throw new AppError(
          'conflict',
          `${accountNameOf(row)} holds a role; revoke it before ${identifying.join(', ')} change.`
        )
      }
      const values: Partial<PrincipalAttributes> = Object.fromEntries(changed)
      await this.requireUnique(row.id, values, unit)
      await this.directory.change(row.id, values, because, this.clock.now(), unit)
      return true
    })
  }

  /** Disables or enables an account or group. Whether it was not so before. Throws `conflict` for the last administrator. */
  setDisabled(row: PrincipalRow, disabled: boolean, because: Because): Promise<boolean> {
    if (isClosedGroup(row.accountName) && row.kind === 'group') throw closedGroup(row.accountName)
    return this.roles.exclusively(async unit => {
      if (disabled && (await this.isLastAdministrator(row.id, unit))) {
        throw new AppError('conflict', 'This is the last administrator; give the role to somebody else first.')
      }
      return this.groups.setDisabled(row.id, disabled, because, this.clock.now(), unit)
    })
  }

  /** Throws `conflict` when another account has the GUID, the UPN or one of the service principal names. */
  async requireUnique(id: PrincipalId, attributes: Partial<PrincipalAttributes>, unit?: Unit): Promise<void> {
    const namesake = await this.directory.findNamesake(id, attributes, unit)
    if (namesake === undefined) return
    throw new AppError('conflict', `${namesake} has the UPN, the GUID or a service principal name already.`)
  }

  private async isLastAdministrator(id: PrincipalId, unit: Unit): Promise<boolean> {
    const held = await this.roles.listHeld(id, unit)
    if (!held.some(({ role, caId }) => role === 'administrator' && caId === null)) return false
    return (await this.roles.countOtherAdministrators(id, unit)) === 0
  }
}

function changedOf(
  row: PrincipalRow,
  attributes: Partial<PrincipalAttributes>
): readonly (readonly [string, unknown])[] {
  return Object.entries(attributes).filter(([name, value]) => {
    const before = row[name as keyof PrincipalAttributes]
    return JSON.stringify(before) !== JSON.stringify(value)
  })
}
