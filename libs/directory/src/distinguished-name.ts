/** One type and value of a name in LDAP, both as they compare: lower case, without escapes and needless spaces. */
interface NamePart {
  readonly type: string
  readonly value: string
}

/**
 * A distinguished name (RFC 4514) in one spelling for all that mean the same: types and values in lower case, spaces and
 * escapes only where they count. Undefined when the text is no name. Values in hexadecimal are kept as they are.
 */
export function distinguishedNameKey(dn: string): string | undefined {
  return parseName(dn)
    ?.map(rdn =>
      rdn
        .map(({ type, value }) => `${type}=${value.replaceAll(/[\\,+="<>;#]/g, escapedByte)}`)
        .toSorted()
        .join('+')
    )
    .join(',')
}

/** The DNS name of the domain that a name is in, from its `DC` parts (RFC 2247); undefined when it has none. */
export function domainOfName(dn: string): string | undefined {
  const labels = parseName(dn)?.flatMap(([part, ...others]) =>
    part?.type === 'dc' && others.length === 0 ? [part.value] : []
  )
  return labels === undefined || labels.length === 0 ? undefined : labels.join('.')
}

/** A value as it stands in the text form of a name (RFC 4514, 2.4). */
export function escapeNameValue(value: string): string {
  return value
    .replaceAll(/[\\,+"<>;=]/g, character => `\\${character}`)
    .replaceAll('\0', '\\00')
    .replace(/^[# ]/, character => `\\${character}`)
    .replace(/ $/, '\\ ')
}

const TYPE = /^(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)+)$/i
const MOST_CHARACTERS = 4096

function parseName(dn: string): readonly (readonly NamePart[])[] | undefined {
  if (dn.length > MOST_CHARACTERS) return undefined
  const rdns: NamePart[][] = [[]]
  for (const { text, end } of splitName(dn)) {
    const equals = text.indexOf('=')
    const type = TYPE.exec(text.slice(0, Math.max(equals, 0)).trim())?.[1]
    const value = equals < 0 ? undefined : unescapeValue(text.slice(equals + 1))
    if (type === undefined || value === undefined) return undefined
    rdns.at(-1)?.push({ type: type.toLowerCase(), value: value.toLowerCase().replaceAll(/ +/g, ' ').trim() })
    if (end === ',') rdns.push([])
  }
  return rdns
}

/** The parts of a name and what each ends with: a comma, a plus sign, or nothing. */
function splitName(dn: string): readonly { readonly text: string; readonly end: string }[] {
  const parts: { text: string; end: string }[] = []
  let text = ''
  let isQuoted = false
  for (let at = 0; at < dn.length; at++) {
    const character = dn.charAt(at)
    if (character === '\\') {
      text += dn.slice(at, at + 2)
      at++
    } else if (!isQuoted && (character === ',' || character === ';' || character === '+')) {
      parts.push({ text, end: character === '+' ? '+' : ',' })
      text = ''
    } else {
      if (character === '"') isQuoted = !isQuoted
      text += character
    }
  }
  parts.push({ text, end: '' })
  return parts
}

/** Undefined when an escape is cut off or gives no UTF-8. */
function unescapeValue(escaped: string): string | undefined {
  const bare = /^\s*"((?:[^"\\]|\\.)*)"\s*$/s.exec(escaped)?.[1] ?? escaped.replace(/^ +/, '').replace(/(?<!\\) +$/, '')
  const bytes: Buffer[] = []
  for (let at = 0; at < bare.length; at++) {
    if (bare.charAt(at) !== '\\') {
      const character = String.fromCodePoint(bare.codePointAt(at) ?? 0)
      bytes.push(Buffer.from(character, 'utf8'))
      at += character.length - 1
      continue
    }
    const pair = /^[0-9a-f]{2}/i.exec(bare.slice(at + 1))?.[0]
    if (pair === undefined && at + 1 >= bare.length) return undefined
    bytes.push(pair === undefined ? Buffer.from(bare.charAt(at + 1), 'utf8') : Buffer.from(pair, 'hex'))
    at += pair === undefined ? 1 : 2
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(bytes))
  } catch {
    return undefined
  }
}

function escapedByte(character: string): string {
  return `\\${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`
}
