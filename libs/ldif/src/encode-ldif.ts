import { toBase64, view } from '@app/core'
import type { LdifEntry } from './entry.js'

/** RFC 2849 leaves the width to the writer; this is the usual one. */
const WIDTH = 76

/** RFC 2849: SAFE-STRING, and no space at the end (note 8), which an editor would take away. */
const SAFE =
  /^(?:[\x01-\x09\x0b\x0c\x0e-\x1f\x21-\x39\x3b\x3d-\x7f](?:[\x01-\x09\x0b\x0c\x0e-\x7f]*[\x01-\x09\x0b\x0c\x0e-\x1f\x21-\x7f])?)?$/

/**
 * An LDIF file of content records (RFC 2849), ASCII, lines of at most 76 characters. {@link decodeLdif} gives back the
 * same entries.
 */
export function encodeLdif(entries: readonly LdifEntry[]): string {
  const records = entries.map(({ dn, attributes }) =>
    [
      line('dn', Buffer.from(dn, 'utf8')),
      ...attributes.flatMap(({ name, values }) => values.map(value => line(name, value)))
    ].join('')
  )
  return ['version: 1\n', ...records].join('\n')
}

function line(name: string, value: Uint8Array): string {
  const text = view(value).toString('latin1')
  if (text === '') return fold(`${name}:`)
  return fold(SAFE.test(text) ? `${name}: ${text}` : `${name}:: ${toBase64(value)}`)
}

function fold(text: string): string {
  let folded = text.slice(0, WIDTH)
  for (let at = WIDTH; at < text.length; at += WIDTH - 1) folded += `\n ${text.slice(at, at + WIDTH - 1)}`
  return `${folded}\n`
}
