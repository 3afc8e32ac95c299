import { isAppError } from '@app/core'
import { findText, textValuesOf, valuesOf, type LdifEntry } from '@app/ldif'
import { ACCESS, standingOf } from './access-rights.js'
import { describe } from './lint-rules-control.js'
import { decodeSecurityDescriptor } from './security-descriptor.js'
import type { ExportFinding } from './template-rule.js'

/** Forms of `altSecurityIdentities` that name one certificate or one key. */
const STRONG = /^X509:(?:<I>.+<SR>.+|<SKI>.+|<SHA1-PUKEY>.+)$/is

/** The schema GUID of `altSecurityIdentities`. */
const ALT_SECURITY_IDENTITIES = '00fbf30c-91fe-11d1-aebc-0000f80367c1'

/** How accounts are tied to certificates: ESC14 for explicit ties, ESC10 for names that stand for another account. */
export function accountFindings(entries: readonly LdifEntry[]): ExportFinding[] {
  const accounts = entries.filter(entry => findText(entry, 'sAMAccountName') !== undefined)
  const owners = new Map(
    accounts.map(entry => [plainName(findText(entry, 'sAMAccountName') as string), entry] as const)
  )
  return accounts.flatMap(entry => [
    ...weakMappings(entry),
    ...writableMappings(entry),
    ...borrowedNames(entry, owners)
  ])
}

function weakMappings(entry: LdifEntry): ExportFinding[] {
  return textValuesOf(entry, 'altSecurityIdentities')
    .filter(value => /^X509:/i.test(value) && !STRONG.test(value))
    .map(value => ({
      rule: 'ESC14',
      severity: 'error',
      message: `Any certificate with the names of ${JSON.stringify(value)} logs on as this account.`,
      where: 'altSecurityIdentities',
      remedy: 'Name the certificate by issuer and serial number, by its key identifier or by the hash of its key.',
      object: entry.dn
    }))
}

function writableMappings(entry: LdifEntry): ExportFinding[] {
  const [bytes] = valuesOf(entry, 'nTSecurityDescriptor')
  if (bytes === undefined) return []
  const writers = mappingWriters(bytes)
  if (writers.length === 0) return []
  const controllers = writers.map(sid => ({ sid, rights: ['WRITE_PROPERTY'] }))
  return [
    {
      rule: 'ESC14',
      severity: 'error',
      message: `${describe(controllers)} can tie a certificate of their own to this account.`,
      where: 'nTSecurityDescriptor',
      remedy: 'Leave altSecurityIdentities to administrators.',
      object: entry.dn
    }
  ]
}

function mappingWriters(bytes: Uint8Array): string[] {
  try {
    const { access = [] } = decodeSecurityDescriptor(bytes)
    return access
      .filter(({ effect, isInheritOnly }) => effect === 'allow' && !isInheritOnly)
      .filter(({ mask, objectType }) => (mask & ACCESS.WRITE_PROPERTY) !== 0 && objectType === ALT_SECURITY_IDENTITIES)
      .map(({ sid }) => sid)
      .filter(sid => standingOf(sid) !== 'administrative')
  } catch (error) {
    if (isAppError(error, 'security_descriptor_invalid')) return []
    throw error
  }
}

/** A UPN without a domain, or with one that is not looked at, is taken for the name of an account. */
function borrowedNames(entry: LdifEntry, owners: ReadonlyMap<string, LdifEntry>): ExportFinding[] {
  const upn = findText(entry, 'userPrincipalName')
  if (upn === undefined) return []
  const owner = owners.get(plainName(upn.split('@')[0] as string))
  if (owner === undefined || owner === entry) return []
  return [
    {
      rule: 'ESC10',
      severity: 'error',
      message: `The user principal name ${JSON.stringify(upn)} is the account name of ${owner.dn}: a certificate with it may log on as that account.`,
      where: 'userPrincipalName',
      remedy: 'Give the account a user principal name of its own, and find out who set this one.',
      object: entry.dn
    }
  ]
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\$$/, '')
}
