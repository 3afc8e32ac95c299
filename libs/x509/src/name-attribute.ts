import { TAG } from '@app/der'
import { OID } from '@app/oid'

/** What is known of a type of name attribute. */
export interface NameAttributeType {
  readonly oid: string
  /** Keywords that text may use for it, the one that {@link formatName} writes first. */
  readonly keywords: readonly [string, ...string[]]
  /** The identifier octet of the string type it is encoded with. */
  readonly tag: number
  /** The most characters a value may have (RFC 5280, A.1), undefined where there is no bound. */
  readonly maxLength?: number
}

/**
 * The types with a keyword. Nine keywords are those of RFC 4514, 3; the others are what Windows writes and reads
 * (CertNameToStr: S, E, T, G, I, SN), so that names typed for certreq work unchanged.
 */
const TYPES: readonly NameAttributeType[] = [
  { oid: OID.id_at_commonName, keywords: ['CN'], tag: TAG.utf8String, maxLength: 64 },
  { oid: OID.id_at_localityName, keywords: ['L'], tag: TAG.utf8String, maxLength: 128 },
  { oid: OID.id_at_stateOrProvinceName, keywords: ['ST', 'S'], tag: TAG.utf8String, maxLength: 128 },
  { oid: OID.id_at_organizationName, keywords: ['O'], tag: TAG.utf8String, maxLength: 64 },
  { oid: OID.id_at_organizationalUnitName, keywords: ['OU'], tag: TAG.utf8String, maxLength: 64 },
  { oid: OID.id_at_countryName, keywords: ['C'], tag: TAG.printableString, maxLength: 2 },
  { oid: OID.id_at_streetAddress, keywords: ['STREET'], tag: TAG.utf8String },
  { oid: OID.id_domainComponent, keywords: ['DC'], tag: TAG.ia5String },
  { oid: OID.id_userId, keywords: ['UID'], tag: TAG.utf8String },
  { oid: OID.id_emailAddress, keywords: ['E', 'EMAIL', 'EMAILADDRESS'], tag: TAG.ia5String, maxLength: 255 },
  { oid: OID.id_at_serialNumber, keywords: ['SERIALNUMBER'], tag: TAG.printableString, maxLength: 64 },
  { oid: OID.id_at_title, keywords: ['T', 'TITLE'], tag: TAG.utf8String, maxLength: 64 },
  { oid: OID.id_at_givenName, keywords: ['G', 'GN', 'GIVENNAME'], tag: TAG.utf8String, maxLength: 32768 },
  { oid: OID.id_at_initials, keywords: ['I', 'INITIALS'], tag: TAG.utf8String, maxLength: 32768 },
  { oid: OID.id_at_surname, keywords: ['SN', 'SURNAME'], tag: TAG.utf8String, maxLength: 32768 }
]

const byOid = new Map(TYPES.map(type => [type.oid, type]))
const byKeyword = new Map(TYPES.flatMap(type => type.keywords.map(keyword => [keyword, type] as const)))

/** The type of this object identifier; undefined when it has no keyword. */
export function findNameAttributeType(oid: string): NameAttributeType | undefined {
  return byOid.get(oid)
}

/** The type that text calls so, in any case; undefined when no type has the keyword. */
export function findNameKeyword(keyword: string): NameAttributeType | undefined {
  return byKeyword.get(keyword.toUpperCase())
}
