import { AppError } from '@app/core'
import type { Name } from './name.js'

/**
 * Demands a host name that a constraint may have: letters, digits, hyphens, underscores; no wildcard, no leading period
 * (RFC 5280, 4.2.1.10). The empty one stands for every host. Throws `x509_structure`.
 */
export function requireDnsConstraint(constraint: string): void {
  if (constraint === '' || /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(constraint)) return
  throw new AppError('x509_structure', 'The name constraints have a host name with a wildcard or a leading period.')
}

/** Demands a mask that is a prefix: ones, then zeros (RFC 4632). Throws `x509_structure`. */
export function requireMask(mask: Uint8Array): void {
  const bits = [...mask].map(octet => octet.toString(2).padStart(8, '0')).join('')
  if (!bits.includes('01')) return
  throw new AppError('x509_structure', 'The name constraints have an address whose mask is not a prefix.')
}

/** Whether every host that a dNSName stands for is the constraint's or below it. */
export function isHostWithin(name: string, constraint: string): boolean {
  const [host, base] = [lower(name.replace(/^\*\./, '')), lower(constraint)]
  return base === '' || host === base || host.endsWith(`.${base}`)
}

/** Whether any host that a dNSName stands for is: a wildcard stands for one more label, which may be the constraint's. */
export function mayHostBeWithin(name: string, constraint: string): boolean {
  if (isHostWithin(name, constraint)) return true
  if (!name.startsWith('*.')) return false
  const [, ...above] = lower(constraint).split('.')
  return above.join('.') === lower(name.slice(2))
}

/**
 * Whether a mailbox is within a constraint: one mailbox, all of a host, or with a leading period all of the hosts below
 * (RFC 5280, 4.2.1.10). The part before the last @ is compared as it stands, the host in either case.
 */
export function isMailboxWithin(mailbox: string, constraint: string): boolean {
  const at = mailbox.lastIndexOf('@')
  const host = lower(mailbox.slice(at + 1))
  const constraintAt = constraint.lastIndexOf('@')
  const base = lower(constraint.slice(constraintAt + 1))
  if (constraintAt >= 0) return mailbox.slice(0, Math.max(at, 0)) === constraint.slice(0, constraintAt) && host === base
  if (base === '') return true
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

/** The host of a URI in lower case; undefined when there is none, or an address. */
export function uriHost(uri: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  const host = authority?.replace(/^.*@/, '').replace(/:\d*$/, '')
  return host === undefined || host === '' || /^[\d.]+$|^\[/.test(host) ? undefined : lower(host)
}

/** Whether an address has the constraint's prefix; of the other family it has not. */
export function isAddressWithin(address: Uint8Array, base: Uint8Array, mask: Uint8Array): boolean {
  if (address.length !== base.length) return false
  return address.every((octet, index) => ((octet ^ (base[index] ?? 0)) & (mask[index] ?? 0xff)) === 0)
}

/** Whether a name begins with all RDNs of another, letters and spaces compared as RFC 5280 (7.1) has it. */
export function isNameWithin(name: Pick<Name, 'rdns'>, base: Pick<Name, 'rdns'>): boolean {
  return base.rdns.every((rdn, index) => {
    const own = name.rdns[index]
    return own !== undefined && normalized(own) === normalized(rdn)
  })
}

function normalized(rdn: Name['rdns'][number]): string {
  const attributes = rdn.map(({ type, value }) => {
    const text = value.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase()
    return `${type}=${text}`
  })
  return attributes.toSorted(compareText).join('\0')
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function lower(text: string): string {
  return text.toLowerCase()
}
