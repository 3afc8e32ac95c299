import type { LdifAttribute, LdifEntry } from '@app/ldif'
import { escapeNameValue } from './distinguished-name.js'
import { encodeGuid, encodeSid } from './security-identifier.js'
import { encodeUserSignCerts, userCertDigest, type UserSignCert } from './user-sign-certs.js'

/** An account or group as an export tells of it. */
export interface ExportedAccount {
  readonly kind: 'user' | 'computer' | 'group'
  readonly accountName: string
  readonly domain: string
  readonly distinguishedName: string | null
  readonly sid: string
  readonly guid: string
  readonly displayName: string | null
  readonly upn: string | null
  readonly mail: string | null
  readonly dnsName: string | null
  readonly servicePrincipalNames: readonly string[]
  readonly altSecurityIdentities: readonly string[]
  readonly isDisabled: boolean
  /** DER, the newest first. */
  readonly certificates: readonly Uint8Array[]
  /** In the order of registration. */
  readonly signCertificates: readonly UserSignCert[]
  /** Distinguished names of those directly in the group. */
  readonly members: readonly string[]
}

const CLASSES = {
  user: ['top', 'person', 'organizationalPerson', 'user'],
  computer: ['top', 'person', 'organizationalPerson', 'user', 'computer'],
  group: ['top', 'group']
} as const

/** userAccountControl (MS-ADTS 2.2.16). */
const CONTROL = { user: 0x200, computer: 0x1000, disabled: 0x2 } as const

/** The distinguished name of an account: its own, else one under its domain. */
export function accountNameInDirectory({
  accountName,
  domain,
  distinguishedName
}: Pick<ExportedAccount, 'accountName' | 'domain' | 'distinguishedName'>): string {
  const components = domain.split('.').map(label => `DC=${escapeNameValue(label)}`)
  return distinguishedName ?? ['CN=' + escapeNameValue(accountName), 'CN=Users', ...components].join(',')
}

/** The entry of an account with the attributes of AD (MS-ADA1, MS-ADA2, MS-ADA3). `decodeAccountEntry` reads it back. */
export function encodeAccountEntry(account: ExportedAccount): LdifEntry {
  const { kind, accountName, domain, signCertificates } = account
  const control = kind === 'group' ? [] : [`${CONTROL[kind] | (account.isDisabled ? CONTROL.disabled : 0)}`]
  const attributes: readonly (readonly [string, readonly (string | Uint8Array | null)[]])[] = [
    ['objectClass', CLASSES[kind]],
    ['cn', [accountName]],
    ['sAMAccountName', [accountName]],
    ['msDS-PrincipalName', [`${domain}\\${accountName}`]],
    ['objectSid', [encodeSid(account.sid)]],
    ['objectGUID', [encodeGuid(account.guid)]],
    ['displayName', [account.displayName]],
    ['userPrincipalName', [account.upn]],
    ['mail', [account.mail]],
    ['dNSHostName', [account.dnsName]],
    ['servicePrincipalName', account.servicePrincipalNames],
    ['altSecurityIdentities', account.altSecurityIdentities],
    ['userAccountControl', control],
    ['userCertificate', account.certificates],
    ['mSMQSignCertificates', signCertificates.length === 0 ? [] : [encodeUserSignCerts(signCertificates)]],
    ['mSMQDigests', signCertificates.map(({ certificate }) => userCertDigest(certificate))],
    ['member', account.members]
  ]
  return { dn: accountNameInDirectory(account), attributes: attributes.flatMap(attributeOf) }
}

function attributeOf([name, given]: readonly [string, readonly (string | Uint8Array | null)[]]): LdifAttribute[] {
  const values = given.flatMap(value => {
    if (value === null) return []
    return [typeof value === 'string' ? Buffer.from(value, 'utf8') : value]
  })
  return values.length === 0 ? [] : [{ name, values }]
}
