import { AppError, fromHex, toHex } from '@app/core'
import { decodeString, DerReader, encodeOid, isStringTag } from '@app/der'
import { findNameAttributeType, findNameKeyword } from './name-attribute.js'
import { encodeNameValue, type Name, type NameAttribute, type NameAttributeInput } from './name.js'

interface Cursor {
  readonly text: string
  at: number
}

const MAX_TEXT_LENGTH = 4096
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the text form of a name (RFC 4514, 3) into RDNs in the order of the encoding, which is the reverse of the
 * text: `CN=…,C=US` gives C first and CN last. Windows' own CertStrToName keeps the order of the text unless told to
 * reverse it; this program uses RFC 4514 for every text, read or written, and {@link formatName} is the inverse.
 *
 * Beyond RFC 4514 it takes what certreq and XEnroll users type: `S=`, `E=` and the other Windows keywords in any case,
 * `OID.` before an identifier, white space around separators, and quoted values, in which `""` or `\"` stands for a
 * quote, `\\` for a backslash and any other backslash for itself. A semicolon does not separate; it must be escaped.
 *
 * Throws `invalid_argument` naming the position, a `der_…` code for a `#` value that is no element.
 */
export function parseDistinguishedName(text: string): NameAttributeInput[][] {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new AppError(
      'invalid_argument',
      `The name has ${text.length} characters; at most ${MAX_TEXT_LENGTH} are read.`
    )
  }
  const cursor: Cursor = { text, at: 0 }
  const rdns: NameAttributeInput[][] = []
  if (text.trim() === '') return rdns
  let rdn: NameAttributeInput[] = []
  for (;;) {
    rdn.push(readAttribute(cursor))
    const separator = text[cursor.at]
    if (separator !== '+') {
      rdns.push(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns.toReversed()
    if (separator !== ',' && separator !== '+') throw broken(cursor, 'expected a comma, a plus sign or the end')
    cursor.at++
  }
}

function readAttribute(cursor: Cursor): NameAttributeInput {
  const type = readType(cursor)
  const first = cursor.text[cursor.at]
  if (first === '#') return { type, ...readHexValue(cursor) }
  const value = first === '"' ? readQuotedValue(cursor) : readPlainValue(cursor)
  if (value === '') throw broken(cursor, `the attribute ${type} has no value`)
  return { type, value }
}

function readType(cursor: Cursor): string {
  const match = take(cursor, /\s*(?:([A-Za-z][A-Za-z0-9-]*)|(?:OID\.)?(\d+(?:\.\d+)+))\s*=[ \t\r\n]*/iy)
  if (match === undefined) throw broken(cursor, 'expected a keyword or an object identifier and an equals sign')
  const [, keyword, oid] = match
  if (oid !== undefined) {
    encodeOid(oid)
    return oid
  }
  const known = findNameKeyword(keyword ?? '')
  if (known === undefined) throw broken(cursor, `the keyword "${keyword}" is not known; write its object identifier`)
  return known.oid
}

function readHexValue(cursor: Cursor): Pick<NameAttribute, 'value' | 'tag'> {
  const match = take(cursor, /#([0-9A-Fa-f]*)[ \t\r\n]*/y)
  const element = fromHex(match?.[1] ?? '')
  if (element === undefined || element.length === 0) {
    throw broken(cursor, 'a value that begins with "#" must be hexadecimal; else write "\\#"')
  }
  const reader = DerReader.over(element)
  const { tag, content } = reader.any('name attribute')
  reader.end('name attribute')
  return { tag, value: isStringTag(tag) ? decodeString(tag, content, 'name attribute') : `#${toHex(element)}` }
}

function readQuotedValue(cursor: Cursor): string {
  const match = take(cursor, /"((?:[^"\\]|\\[\s\S]|"")*)"[ \t\r\n]*/y)
  if (match === undefined) throw broken(cursor, 'the quoted value does not end')
  return (match[1] ?? '').replace(/""|\\(["\\])/g, (_whole, escaped: string | undefined) => escaped ?? '"')
}

function readPlainValue(cursor: Cursor): string {
  let value = ''
  // White space at the end does not count, unless it is escaped.
  let keptLength = 0
  for (;;) {
    const plain = take(cursor, /[^\\,+;"]+/y)?.[0]
    const escaped = plain === undefined ? readEscaped(cursor) : undefined
    if (plain !== undefined) {
      value += plain
      const ending = /[ \t\r\n]*$/.exec(plain)?.[0].length ?? 0
      if (ending < plain.length) keptLength = value.length - ending
    } else if (escaped !== undefined) {
      value += escaped
      keptLength = value.length
    } else return value.slice(0, keptLength)
  }
}

/** The characters that an escape sequence stands for; undefined where the value ends. */
function readEscaped(cursor: Cursor): string | undefined {
  const next = cursor.text[cursor.at]
  if (next === ';') throw broken(cursor, 'a semicolon does not separate; write a comma, or "\\;" for the character')
  if (next === '"') throw broken(cursor, 'a quote inside a value must be written "\\""')
  if (next !== '\\') return undefined
  const special = take(cursor, /\\([ "#+,;<=>\\])/y)?.[1]
  if (special !== undefined) return special
  const octets = fromHex(take(cursor, /(?:\\[0-9A-Fa-f]{2})+/y)?.[0].replaceAll('\\', '') ?? '')
  if (octets === undefined || octets.length === 0) {
    throw broken(cursor, 'a backslash must precede a special character or two hexadecimal digits; write "\\\\" for one')
  }
  try {
    return utf8.decode(octets)
  } catch (cause) {
    throw broken(cursor, 'the octets before this are not UTF-8', cause)
  }
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at
  const match = pattern.exec(cursor.text)
  if (match === null) return undefined
  cursor.at = pattern.lastIndex
  return match
}

function broken(cursor: Cursor, why: string, cause?: unknown): AppError {
  const message = `The distinguished name cannot be read at character ${cursor.at + 1}: ${why}.`
  return new AppError('invalid_argument', message, { position: cursor.at + 1 }, { cause })
}

/**
 * The text form of a name (RFC 4514, 2): the last RDN of the encoding first, joined by commas without spaces. Types
 * without a keyword are written as identifier and `#` with the element. Control characters are escaped, so that the
 * text is always one line.
 */
export function formatName(name: Pick<Name, 'rdns'>): string {
  return name.rdns
    .toReversed()
    .map(rdn => rdn.map(formatAttribute).join('+'))
    .join(',')
}

function formatAttribute(attribute: NameAttribute): string {
  const keyword = findNameAttributeType(attribute.type)?.keywords[0]
  if (keyword === undefined) return `${attribute.type}=#${toHex(encodeNameValue(attribute))}`
  return `${keyword}=${isStringTag(attribute.tag) ? escapeValue(attribute.value) : attribute.value}`
}

function escapeValue(value: string): string {
  return value
    .replace(/[\\",+;<>]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
    .replace(/[\x00-\x1f\x7f]/g, control => `\\${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
