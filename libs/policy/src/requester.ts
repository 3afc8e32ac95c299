/** Who asks for a certificate: a user or computer as the directory knows it. */
export interface Requester {
  readonly id: string
  readonly kind: 'user' | 'computer'
  /** The security identifier as text, `S-1-…`. */
  readonly sid: string
  readonly accountName: string
  /** The NetBIOS or DNS name of the account's domain. */
  readonly domain: string
  readonly displayName?: string
  /** In the text form of LDAP (RFC 4514): the principal's own RDN first. */
  readonly distinguishedName?: string
  readonly upn?: string
  readonly mail?: string
  readonly dnsName?: string
  /** objectGUID as the text of a UUID. */
  readonly guid?: string
  /** Names of the groups it is in, nested ones resolved. */
  readonly groups: readonly string[]
}

/** `DOMAIN\account`, as messages and logs name a requester. */
export function accountOf(requester: Pick<Requester, 'domain' | 'accountName'>): string {
  return `${requester.domain}\\${requester.accountName}`
}

/** Whether the requester is in one of the groups; names are compared without regard to case. */
export function isMemberOfAny(requester: Pick<Requester, 'groups'>, groups: readonly string[]): boolean {
  const own = new Set(requester.groups.map(group => group.toLowerCase()))
  return groups.some(group => own.has(group.toLowerCase()))
}
