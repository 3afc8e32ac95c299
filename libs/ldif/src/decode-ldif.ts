import { AppError, fromBase64, toBase64 } from '@app/core'
import { textOf, type LdifEntry } from './entry.js'

const MAX_BYTES = 256 * 1024 * 1024
const MAX_ENTRIES = 1_000_000

/** RFC 2849: AttributeDescription, an LDAP name or object identifier with options. */
const DESCRIPTION = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*$/

/** A line of the file after unfolding, with the number of its first physical line. */
interface Line {
  readonly text: string
  readonly number: number
}

/** One `name: value` of a record. */
interface Field {
  readonly name: string
  readonly value: Uint8Array
  readonly line: number
}

/**
 * The entries of an LDIF file (RFC 2849): folded lines, comments, base64, content records and change records that add.
 * UTF-8, or UTF-16 with a byte order mark as `ldifde -u` writes it. Text beyond ASCII is taken as it is, and the closing
 * record of `ldapsearch` is passed over; otherwise strict.
 *
 * Values by URL are never fetched. Throws `ldif_invalid` with the number of the line.
 */
export function decodeLdif(file: Uint8Array | string): LdifEntry[] {
  if (file.length > MAX_BYTES) throw fault(1, `the file is larger than ${MAX_BYTES} bytes`)
  const records = splitRecords(unfold(typeof file === 'string' ? file : decodeText(file)))
  const entries: LdifEntry[] = []
  for (const record of records) {
    const entry = decodeRecord(record)
    if (entry !== undefined) entries.push(entry)
    if (entries.length > MAX_ENTRIES) throw fault(record[0]?.number ?? 1, `more than ${MAX_ENTRIES} entries`)
  }
  return entries
}

function decodeText(file: Uint8Array): string {
  const isUtf16 = file[0] === 0xff && file[1] === 0xfe
  try {
    return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8', { fatal: true }).decode(file)
  } catch {
    throw fault(1, `the file is not ${isUtf16 ? 'UTF-16' : 'UTF-8'} text`)
  }
}

/** A line that begins with a space continues the one before, comments too (RFC 2849, note 2). Blank lines stay. */
function unfold(text: string): Line[] {
  const physical = text.replace(/^\u{feff}/u, '').split(/\r?\n/)
  const lines: { parts: string[]; number: number }[] = []
  for (const [index, part] of physical.entries()) {
    const last = lines.at(-1)
    if (!part.startsWith(' ')) lines.push({ parts: [part], number: index + 1 })
    else if (last === undefined || last.parts[0] === '')
      throw fault(index + 1, 'nothing stands before this continuation')
    else last.parts.push(part.slice(1))
  }
  return lines.map(({ parts, number }) => ({ text: parts.join(''), number }))
}

function splitRecords(lines: readonly Line[]): Line[][] {
  const records: Line[][] = [[]]
  for (const line of lines) {
    if (line.text === '') records.push([])
    else if (!line.text.startsWith('#')) records.at(-1)?.push(line)
  }
  const first = records.find(record => record.length > 0)
  if (first?.[0] !== undefined && /^version:/i.test(first[0].text)) takeVersion(first)
  return records.filter(record => record.length > 0)
}

function takeVersion(record: Line[]): void {
  const [line] = record.splice(0, 1) as [Line]
  if (!/^version: *1$/i.test(line.text)) throw fault(line.number, 'the version is not 1')
}

function decodeRecord(record: readonly Line[]): LdifEntry | undefined {
  const fields = record.map(decodeField)
  const [first, ...others] = fields as [Field, ...Field[]]
  if (isSearchTrailer(fields)) return undefined
  if (first.name.toLowerCase() !== 'dn') throw fault(first.line, 'the record does not begin with "dn:"')
  const dn = textOf(first.value)
  if (dn === undefined) throw fault(first.line, 'the distinguished name is not UTF-8')
  const attributes = new Map<string, { name: string; values: Uint8Array[] }>()
  for (const { name, value } of attributeFields(others)) {
    const known = attributes.get(name.toLowerCase())
    if (known === undefined) attributes.set(name.toLowerCase(), { name, values: [value] })
    else known.values.push(value)
  }
  return { dn, attributes: [...attributes.values()] }
}

/** What `ldapsearch` writes after the entries, and no other record without a name. */
function isSearchTrailer(fields: readonly Field[]): boolean {
  return fields[0]?.name === 'search' && fields.every(({ name }) => name === 'search' || name === 'result')
}

/** Of a change record only its attributes; a change other than an addition makes no entry. */
function attributeFields(fields: readonly Field[]): readonly Field[] {
  const [first] = fields
  if (first === undefined) return fields
  const name = first.name.toLowerCase()
  if (name === 'control') throw fault(first.line, 'the record has a control, which has no meaning in a file')
  if (name === 'changetype') {
    if (textOf(first.value)?.toLowerCase() !== 'add') throw fault(first.line, 'only "changetype: add" makes an entry')
    return rejectDirectives(fields.slice(1))
  }
  return rejectDirectives(fields)
}

function rejectDirectives(fields: readonly Field[]): readonly Field[] {
  const directive = fields.find(({ name }) => ['dn', 'changetype', 'control'].includes(name.toLowerCase()))
  if (directive !== undefined) {
    throw fault(directive.line, `"${directive.name}:" stands inside of a record; a blank line may be missing`)
  }
  return fields
}

function decodeField({ text, number }: Line): Field {
  const colon = text.indexOf(':')
  const name = text.slice(0, colon)
  if (colon < 1 || !DESCRIPTION.test(name)) throw fault(number, 'the line is no "name: value"')
  const kind = text[colon + 1]
  if (kind === '<') throw fault(number, `the value of ${name} is an address; addresses are never fetched`)
  if (kind !== ':') return { name, value: Buffer.from(text.slice(colon + 1).replace(/^ +/, ''), 'utf8'), line: number }
  const encoded = text.slice(colon + 2).replace(/^ +/, '')
  const value = fromBase64(encoded)
  if (value === undefined || toBase64(value) !== encoded) throw fault(number, `the value of ${name} is not base64`)
  return { name, value, line: number }
}

function fault(line: number, what: string): AppError {
  return new AppError('ldif_invalid', `Line ${line} of the LDIF file: ${what}.`, { line })
}
