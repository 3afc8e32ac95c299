import { once } from 'node:events'
import { styleText } from 'node:util'
import { Option, type Command } from 'commander'
import { AppError } from '@app/core'
import { encodePem } from '@app/der'
import { writeNewFile } from '@app/files'

/** The forms that data on stdout can have; each command offers some. */
export type OutputFormat = 'table' | 'json' | 'pem' | 'der' | 'p7b'

/** The option that chooses the form of the data; the first is the default. */
export function outputOption(...formats: readonly [OutputFormat, ...OutputFormat[]]): Option {
  return new Option('-o, --output <format>', 'the form of the data on stdout').choices(formats).default(formats[0])
}

/** Facts to show: names and values in their order; what is undefined is left out. */
export type Facts = Readonly<Record<string, unknown>>

/** Facts as JSON, or as lines of name and value for people. */
export function printFacts(facts: Facts, format: OutputFormat): Promise<void> {
  return print(format === 'json' ? jsonOf(facts) : tableOf(facts))
}

/** A value as indented JSON with a final line break. */
export function jsonOf(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

/** The options of a command whose output has a form to choose, beside its own. */
export type WithOutput<Options = object> = Options & { readonly output: OutputFormat }

/** Adds the option that chooses between lines or rows for people and JSON. */
export function withTableOrJson(command: Command): Command {
  return command.addOption(outputOption('table', 'json'))
}

/** Rows or facts as JSON, or for people: rows under a line of names, facts as lines of name and value. */
export function printData(data: object, format: OutputFormat): Promise<void> {
  if (format === 'json') return printJson(data)
  return Array.isArray(data) ? printRows(rowsOf(data as readonly object[])) : print(tableOf(data as Facts))
}

/** Objects as rows with the same members: all that any of them has, empty where one lacks it. */
export function rowsOf(items: readonly object[]): Record<string, string>[] {
  const names = [...new Set(items.flatMap(item => Object.keys(item)))]
  return items.map(item =>
    Object.fromEntries(names.map(name => [name, cellOf((item as Readonly<Record<string, unknown>>)[name])]))
  )
}

function cellOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  if (typeof value !== 'object') return JSON.stringify(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(cellOf).join(', ')
  return Object.entries(value)
    .filter(([, member]) => member !== undefined && member !== null)
    .map(([name, member]) => `${name} ${cellOf(member)}`)
    .join(' ')
}

/** A value as JSON on stdout. */
export function printJson(value: unknown): Promise<void> {
  return print(jsonOf(value))
}

/** Lines of name and value; what is inside of a value is indented below its name. */
export function tableOf(facts: Facts, indent = ''): string {
  const present = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null)
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present.map(([name, value]) => line(name, value, width, indent)).join('')
}

function line(name: string, value: unknown, width: number, indent: string): string {
  if (value instanceof Date) return line(name, value.toISOString(), width, indent)
  if (typeof value !== 'object' || value === null)
    return `${indent}${name.padEnd(width)}  ${plainText(String(value))}\n`
  if (!Array.isArray(value)) return `${indent}${name}\n${tableOf(value as Facts, `${indent}  `)}`
  if (value.length === 0) return `${indent}${name.padEnd(width)}  none\n`
  return `${indent}${name}\n${value.map(member => itemOf(member, `${indent}  `)).join('')}`
}

function itemOf(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return `${indent}- ${plainText(String(value))}\n`
  const table = tableOf(value as Facts, `${indent}  `)
  return `${indent}- ${table.slice(indent.length + 2)}`
}

/** Text from a stranger's message for a terminal: control characters, which could move the cursor, in hexadecimal. */
function plainText(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, control => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Rows of the same members as a table under a line of their names; nothing when there is no row. */
export function printRows(rows: readonly Readonly<Record<string, string | number>>[]): Promise<void> {
  return print(gridOf(rows))
}

/** See {@link printRows}. */
export function gridOf(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const names = Object.keys(first)
  const lines = [names, ...rows.map(row => names.map(name => plainText(String(row[name] ?? ''))))]
  const widths = names.map((_, column) => lines.reduce((most, line) => Math.max(most, line[column]?.length ?? 0), 0))
  const aligned = (line: readonly string[]): string =>
    line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return lines.map(line => `${aligned(line).trimEnd()}\n`).join('')
}

/** Writes data to stdout and resolves when it is on its way. */
export async function print(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain')
}

/** A message or certificate to print or to write into a file. */
export interface Encodable {
  readonly der: Uint8Array
  readonly pemLabel: string
}

/** Prints DER or PEM, into a new file (mode 0644) when one is named. Throws `file_exists`. */
export async function printEncoded(items: readonly Encodable[], format: OutputFormat, file?: string): Promise<void> {
  const bytes =
    format === 'pem'
      ? Buffer.from(items.map(({ der, pemLabel }) => encodePem(pemLabel, der)).join(''))
      : (items[0] as Encodable).der
  if (file !== undefined) return writeNewFile(file, bytes, 0o644)
  if (format !== 'pem' && process.stdout.isTTY) {
    throw new AppError('invalid_argument', `${format} is no text; name a file with --out or redirect the output.`)
  }
  return print(bytes)
}

/** What a command says to people, on stderr. */
export interface Talk {
  /** One sentence; nothing with `--quiet`. */
  say(text: string): void
  /** A line that the next one replaces, on a terminal only. */
  progress(text: string): void
}

/** The talk of a command, after its options. */
export function talkOf(command: Command): Talk {
  const { quiet } = command.optsWithGlobals<{ quiet?: boolean }>()
  const isLive = quiet !== true && process.stderr.isTTY
  let isDirty = false
  const clear = (): void => {
    if (isDirty) process.stderr.write('\r\u001b[K')
    isDirty = false
  }
  return {
    say: text => {
      clear()
      if (quiet !== true) process.stderr.write(`${plainText(text)}\n`)
    },
    progress: text => {
      if (!isLive) return
      clear()
      process.stderr.write(plainText(text))
      isDirty = true
    }
  }
}

/** The line that ends a command that failed: on stderr whatever `--quiet` says. */
export function errorLine(message: string, code: string): string {
  // styleText leaves the colours out where NO_COLOR is set or stderr is no terminal.
  return `${styleText('red', 'certkeep:', { stream: process.stderr })} ${plainText(message)} (${code})\n`
}
