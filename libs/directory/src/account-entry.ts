import { AppError, equalBytes } from '@app/core'
import { findText, isOfClass, textValuesOf, valuesOf, type LdifEntry } from '@app/ldif'
import { domainOfName } from './distinguished-name.js'
import { decodeGuid, decodeSid, domainOfSid } from './security-identifier.js'
import { decodeUserSignCerts, userCertDigest, type UserSignCert } from './user-sign-certs.js'

/** A user, computer or group as the entry of a directory says it. What an entry does not say is absent, or null. */
export interface AccountEntry {
  readonly kind: 'user' | 'computer' | 'group'
  /** As written. */
  readonly dn: string
  readonly accountName: string
  /** Of msDS-PrincipalName, else the DNS name in its distinguished name. */
  readonly domain: string | undefined
  readonly sid: string | undefined
  /** Of objectGUID, else entryUUID (RFC 4530). */
  readonly guid: string | undefined
  readonly displayName: string | null
  readonly upn: string | null
  readonly mail: string | null
  readonly dnsName: string | null
  readonly servicePrincipalNames: readonly string[]
  readonly altSecurityIdentities: readonly string[]
  /** Of userAccountControl; absent where there is none. */
  readonly isDisabled: boolean | undefined
  /** Of userCertificate, with or without `;binary`, DER. */
  readonly certificates: readonly Uint8Array[]
  /** Of mSMQSignCertificates, checked with mSMQDigests where there are. */
  readonly signCertificates: readonly UserSignCert[]
  /** Distinguished names of members. */
  readonly members: readonly string[]
  /** Account names of members, where a schema has these (RFC 2307). */
  readonly memberNames: readonly string[]
}

/** How entries are read. */
export interface AccountEntryOptions {
  /** The attribute with the account name; where an entry lacks it, `cn` is the name of a group or computer. */
  readonly accountAttribute: string
}

/** The attributes that {@link decodeAccountEntry} reads, beside that of the account name. */
export const ACCOUNT_ATTRIBUTES = [
  'objectClass',
  'cn',
  'objectGUID',
  'entryUUID',
  'objectSid',
  'msDS-PrincipalName',
  'userPrincipalName',
  'displayName',
  'mail',
  'dNSHostName',
  'servicePrincipalName',
  'altSecurityIdentities',
  'userAccountControl',
  'userCertificate',
  'userCertificate;binary',
  'member',
  'uniqueMember',
  'memberUid'
] as const

const GROUP_CLASSES = ['group', 'groupOfNames', 'groupOfUniqueNames', 'posixGroup'] as const
const COMPUTER_CLASSES = ['computer', 'ipHost', 'device'] as const
const USER_CLASSES = ['user', 'person', 'inetOrgPerson', 'posixAccount', 'account'] as const

/** userAccountControl (MS-ADTS 2.2.16). */
const ACCOUNT_CONTROL = { DISABLED: 0x2, INTERDOMAIN_TRUST: 0x800 } as const

/**
 * Reads the entry of a user, computer or group. Undefined for an entry of another kind, and for one that is no account of
 * a domain: built-in groups, trusts. Throws `invalid_argument` when it says something that no account can be.
 */
export function decodeAccountEntry(
  entry: LdifEntry,
  { accountAttribute }: AccountEntryOptions
): AccountEntry | undefined {
  const kind = kindOf(entry)
  if (kind === undefined) return undefined
  const control = Number(findText(entry, 'userAccountControl') ?? Number.NaN)
  const sid = first(entry, 'objectSid', decodeSid)
  if (control & ACCOUNT_CONTROL.INTERDOMAIN_TRUST || (sid !== undefined && domainOfSid(sid) === undefined)) {
    return undefined
  }
  const name = findText(entry, accountAttribute) ?? (kind === 'user' ? undefined : findText(entry, 'cn'))
  const [domain] = /^[^\\]+(?=\\)/.exec(findText(entry, 'msDS-PrincipalName') ?? '') ?? []
  return {
    kind,
    dn: readable(entry.dn, 'distinguished name', 1024),
    accountName: accountNameIn(name, accountAttribute),
    domain: domain ?? domainOfName(entry.dn),
    sid,
    guid: findEntryGuid(entry),
    displayName: textOf(entry, 'displayName', 256),
    upn: textOf(entry, 'userPrincipalName', 1024),
    mail: textOf(entry, 'mail', 320),
    dnsName: textOf(entry, 'dNSHostName', 255),
    servicePrincipalNames: textsOf(entry, 'servicePrincipalName'),
    altSecurityIdentities: textsOf(entry, 'altSecurityIdentities'),
    isDisabled: Number.isNaN(control) ? undefined : (control & ACCOUNT_CONTROL.DISABLED) !== 0,
    certificates: [...valuesOf(entry, 'userCertificate'), ...valuesOf(entry, 'userCertificate;binary')],
    signCertificates: signCertificatesOf(entry),
    members: [...textsOf(entry, 'member'), ...textsOf(entry, 'uniqueMember')],
    memberNames: textsOf(entry, 'memberUid')
  }
}

function kindOf(entry: LdifEntry): AccountEntry['kind'] | undefined {
  const isOne = (classes: readonly string[]): boolean => classes.some(objectClass => isOfClass(entry, objectClass))
  if (isOne(GROUP_CLASSES)) return 'group'
  // A computer of AD is of the class user too.
  if (isOne(COMPUTER_CLASSES)) return 'computer'
  return isOne(USER_CLASSES) ? 'user' : undefined
}

function accountNameIn(name: string | undefined, attribute: string): string {
  if (name === undefined || name.trim() === '') throw refused(`The entry has no ${attribute}`)
  if (name.includes('\\')) throw refused(`The account name "${name.slice(0, 60)}" has a backslash`)
  return readable(name, 'account name', 256)
}

/** The identity of an entry: objectGUID, else entryUUID (RFC 4530). Throws `invalid_argument` when it is no GUID. */
export function findEntryGuid(entry: LdifEntry): string | undefined {
  const guid = first(entry, 'objectGUID', decodeGuid)
  if (guid !== undefined) return guid
  const text = findText(entry, 'entryUUID')?.toLowerCase()
  if (text === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return text
  throw refused('entryUUID is no GUID')
}

function signCertificatesOf(entry: LdifEntry): readonly UserSignCert[] {
  const certificates = first(entry, 'mSMQSignCertificates', decodeUserSignCerts) ?? []
  const digests = valuesOf(entry, 'mSMQDigests')
  const isWhole = digests.length === certificates.length
  const isSame = certificates.every(({ certificate }) =>
    digests.some(digest => equalBytes(digest, userCertDigest(certificate)))
  )
  if (digests.length === 0 || (isWhole && isSame)) return certificates
  throw refused('mSMQDigests are not those of mSMQSignCertificates')
}

function first<T>(entry: LdifEntry, name: string, decode: (bytes: Uint8Array) => T): T | undefined {
  const [value] = valuesOf(entry, name)
  return value === undefined ? undefined : decode(value)
}

function textOf(entry: LdifEntry, name: string, most: number): string | null {
  const text = findText(entry, name)
  return text === undefined || text === '' ? null : readable(text, name, most)
}

function textsOf(entry: LdifEntry, name: string): readonly string[] {
  return textValuesOf(entry, name).map(text => readable(text, name, 2048))
}

/** What can be stored, and shown in a line: no control characters, and not endless. */
function readable(text: string, what: string, most: number): string {
  if (text.length > most) throw refused(`The ${what} is longer than ${most} characters`)
  if (/\p{Cc}/u.test(text)) throw refused(`The ${what} has control characters`)
  return text
}

function refused(why: string): AppError {
  return new AppError('invalid_argument', `${why}.`)
}
