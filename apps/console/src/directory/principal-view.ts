import { AppError } from '@app/core'
import { accountNameOf } from '@app/platform'
import { OPERATORS_GROUP } from '@app/policy'
import type { PrincipalAttributes, PrincipalRow } from '@app/storage'
import type { ChangeBody, PrincipalView } from './directory.schemas.js'

/** A principal as answers tell of it. */
export function viewOf(row: PrincipalRow): PrincipalView {
  if (row.kind === 'system') throw new AppError('internal', 'The system account is told of nowhere.')
  const { displayName, distinguishedName, upn, mail, dnsName } = row
  const attributes = Object.entries({ displayName, distinguishedName, upn, mail, dnsName })
  return {
    id: row.id,
    kind: row.kind,
    account: accountNameOf(row),
    sid: row.sid,
    ...Object.fromEntries(attributes.filter(([, value]) => value !== null)),
    guid: row.guid ?? row.id,
    servicePrincipalNames: [...row.servicePrincipalNames],
    altSecurityIdentities: [...row.altSecurityIdentities],
    groups: [...row.groupNames],
    ...(row.disabledAt === null ? {} : { disabledAt: row.disabledAt.toISOString() }),
    createdAt: row.createdAt.toISOString()
  }
}

/** The attributes in what a caller says, those left out as null. */
export function attributesOf(body: ChangeBody): PrincipalAttributes {
  const { displayName = null, distinguishedName = null, upn = null, mail = null, dnsName = null, guid = null } = body
  const { servicePrincipalNames = [], altSecurityIdentities = [] } = body
  return { displayName, distinguishedName, upn, mail, dnsName, guid, servicePrincipalNames, altSecurityIdentities }
}

/** Whether a group's members follow from something else than membership. */
export function isClosedGroup(name: string): boolean {
  return name.toLowerCase() === OPERATORS_GROUP.toLowerCase()
}

/** Throws `conflict` for the group of operators, whose members follow from the roles alone. */
export function requireOpenGroup(name: string): void {
  if (isClosedGroup(name)) throw closedGroup(name)
}

/** That a group cannot be changed by hand. */
export function closedGroup(name: string): AppError {
  return new AppError('conflict', `Whoever holds a role is in ${name}, and nobody else; it is not changed by hand.`)
}
