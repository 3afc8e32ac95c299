/** The numbers that an address may name: of the CA, of its key, and of its certificate. */
export interface AddressNumbers {
  readonly ca: number
  readonly keyIndex: number
  readonly certIndex: number
}

/**
 * Addresses that certificates name, where they are not those of the CA. In each, `{ca}`, `{key}` and `{certificate}`
 * stand for the numbers of the CA, of the key that signs and of its certificate. An empty list names none of the kind.
 */
export interface TemplateAddresses {
  /** Of the CRL: http or ldap. */
  readonly crl?: readonly string[]
  /** Of the CA's certificate: http or ldap. */
  readonly caIssuers?: readonly string[]
  /** Of the OCSP responder: http. */
  readonly ocsp?: readonly string[]
}

const text = String.raw`(?:[\x21-\x7a|~]|\{ca\}|\{key\}|\{certificate\})`

/** An address of a file, as a pattern: http, or ldap with a name and one attribute (RFC 5280, 4.2.1.13). */
export const FILE_ADDRESS = new RegExp(
  `^(?:http://[^\\s/?#{}]+(?:/${text}*)?|ldap://[^\\s/?#{}]*/${text}+[?][A-Za-z][A-Za-z0-9-]*(?:;binary)?(?:[?]${text}*)?)$`
)

/** An address of an OCSP responder, as a pattern (RFC 6960, A.1). */
export const OCSP_ADDRESS = new RegExp(`^http://[^\\s/?#{}]+(?:/${text}*)?$`)

/** The address that a pattern is for these numbers. */
export function fillAddress(pattern: string, { ca, keyIndex, certIndex }: AddressNumbers): string {
  return pattern
    .replaceAll('{ca}', String(ca))
    .replaceAll('{key}', String(keyIndex))
    .replaceAll('{certificate}', String(certIndex))
}
