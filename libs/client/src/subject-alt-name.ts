import { isIP } from 'node:net'
import { AppError } from '@app/core'
import { DerReader, encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import { decodeName, encodeName, parseDistinguishedName, type GeneralName } from '@app/x509'

/** The kinds of alternative name that have a text form. */
const KINDS = 'dns, email, upn, ip, uri or dn'

/**
 * An alternative name from its text, as certreq users write them: `dns:`, `email:`, `upn:`, `ip:`, `uri:` or `dn:` and
 * the value. Throws `invalid_argument`.
 */
export function parseSubjectAltName(text: string): GeneralName {
  const colon = text.indexOf(':')
  const value = text.slice(colon + 1).trim()
  const kind = text.slice(0, Math.max(colon, 0)).trim().toLowerCase()
  if (value === '') throw unknown(text)
  switch (kind) {
    case 'dns':
      return { kind: 'dNSName', value }
    case 'email':
      return { kind: 'rfc822Name', value }
    case 'uri':
    case 'url':
      return { kind: 'uri', value }
    case 'upn':
      return { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String(value) }
    case 'ip':
      return { kind: 'iPAddress', address: addressOf(value) }
    case 'dn':
      return {
        kind: 'directoryName',
        name: decodeName(DerReader.over(encodeName(parseDistinguishedName(value))), 'dn')
      }
    default:
      throw unknown(text)
  }
}

function unknown(text: string): AppError {
  return new AppError('invalid_argument', `"${text}" is no alternative name; write ${KINDS}, a colon and the value.`)
}

function addressOf(text: string): Uint8Array {
  switch (isIP(text)) {
    case 4:
      return Uint8Array.from(text.split('.').map(Number))
    case 6:
      return sixteenOctets(text)
    default:
      throw new AppError('invalid_argument', `"${text}" is no IP address.`)
  }
}

/** The octets of an IPv6 address that `isIP` has found to be one. */
function sixteenOctets(text: string): Uint8Array {
  if (text.includes('%'))
    throw new AppError('invalid_argument', `"${text}" has a zone, which a certificate cannot name.`)
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const plain = dotted === null ? text : dotted[1] + groupOf(dotted[2], dotted[3]) + ':' + groupOf(dotted[4], dotted[5])
  const [head = '', tail] = plain.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail ?? '')
  const missing = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array.from({ length: missing }, () => 0), ...after]
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]))
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}

function groupOf(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}
