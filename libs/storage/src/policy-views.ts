import type { OfficerEdit, Requester } from '@app/policy'
import type { EditRow } from './decision-row.js'
import type { PrincipalRow } from './principal-row.js'

/** A directory principal as the policy and the certificate know it. */
export function requesterOf(row: PrincipalRow): Requester {
  return {
    id: row.id,
    kind: row.kind === 'computer' ? 'computer' : 'user',
    sid: row.sid,
    accountName: row.accountName,
    domain: row.domain,
    guid: row.guid ?? row.id,
    groups: row.groupNames,
    ...(row.displayName === null ? {} : { displayName: row.displayName }),
    ...(row.distinguishedName === null ? {} : { distinguishedName: row.distinguishedName }),
    ...(row.upn === null ? {} : { upn: row.upn }),
    ...(row.mail === null ? {} : { mail: row.mail }),
    ...(row.dnsName === null ? {} : { dnsName: row.dnsName })
  }
}

/** An officer's edit as the policy applies it. */
export function officerEditOf({ kind, name, attributeValue, extensionValue, critical }: EditRow): OfficerEdit {
  if (kind === 'attribute') return { kind, name, value: attributeValue ?? '' }
  return { kind, oid: name, value: extensionValue ?? undefined, critical: critical ?? false }
}
