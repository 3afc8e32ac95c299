import { fromHex } from '@app/core'
import { encodeOctetString, encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import type { GeneralName } from '@app/x509'

/** Whether text is a host name: labels of letters, digits and hyphens (RFC 1123, 2.1; RFC 1034, 3.1). */
export function isDnsName(text: string): boolean {
  return (
    text.length <= 253 &&
    /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text)
  )
}

/** Whether text is a mailbox that an rfc822Name can hold: ASCII, no quoting (RFC 5280, 4.2.1.6). */
export function isMailAddress(text: string): boolean {
  const match = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(.+)$/.exec(text)
  return match !== null && text.length <= 254 && isDnsName(match[1] as string)
}

/** Whether text is a user principal name: an account, an at sign and a domain. */
export function isPrincipalName(text: string): boolean {
  return text.length <= 1024 && text.isWellFormed() && /^[^\p{Cc}\p{Z}@]+@[^\p{Cc}\p{Z}@]+$/u.test(text)
}

/** Scripts with letters that look like those of each other (Unicode Technical Standard 39, 5.1). */
const CONFUSABLE_SCRIPTS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u
]

/**
 * Why text reads as other text than it is: characters that cannot be seen or change the direction of others, or letters
 * of scripts that look alike within one word. Undefined when it does not.
 */
export function findDeception(text: string): string | undefined {
  if (!text.isWellFormed() || /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(text)) {
    return 'has characters that cannot be seen'
  }
  const words = text.match(/[\p{L}\p{M}]+/gu) ?? []
  const isMixed = words.some(word => CONFUSABLE_SCRIPTS.filter(script => script.test(word)).length > 1)
  return isMixed ? 'mixes letters of scripts that look alike in one word' : undefined
}

/** A user principal name as an otherName (1.3.6.1.4.1.311.20.2.3): a UTF8String. */
export function encodePrincipalName(upn: string): GeneralName {
  return { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String(upn) }
}

/**
 * A directory GUID as an otherName (1.3.6.1.4.1.311.25.1): an OCTET STRING of the structure in memory, whose first
 * three fields are little-endian (MS-DTYP 2.3.4.2). Undefined when the text is no UUID.
 */
export function encodeGuidName(uuid: string): GeneralName | undefined {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) return undefined
  const octets = Buffer.from(fromHex(uuid.replaceAll('-', '')) as Uint8Array)
  octets.subarray(0, 4).swap32()
  octets.subarray(4, 8).swap16()
  return { kind: 'otherName', oid: OID.szOID_NTDS_REPLICATION, value: encodeOctetString(octets) }
}
