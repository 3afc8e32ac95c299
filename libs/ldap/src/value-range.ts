import type { LdifAttribute, LdifEntry } from '@app/ldif'

/** Values as an LDAP client tells of them, by the description of their attribute. */
export interface ToldEntry {
  readonly [description: string]: string | Buffer | readonly (string | Buffer)[]
}

/** `member;range=0-1499`; the last range of an attribute ends in a star (MS-ADTS 3.1.1.3.1.3.3). */
const RANGE = /^(.+);range=(\d+)-(\d+|\*)$/i

/** What to ask for next of an attribute whose values came in part; undefined when all have come. */
export function nextRangeOf(entry: ToldEntry): string | undefined {
  for (const [description, values] of Object.entries(entry)) {
    const [, name = '', , end = '*'] = RANGE.exec(description) ?? []
    if (end === '*' || [values].flat().length === 0) continue
    return `${name};range=${Number(end) + 1}-*`
  }
  return undefined
}

/** One entry of the parts that it came in: every attribute with all of its values, in their order. */
export function withoutRanges(dn: string, parts: readonly ToldEntry[]): LdifEntry {
  const attributes = new Map<string, Buffer[]>()
  for (const part of parts) {
    for (const [description, told] of Object.entries(part)) {
      const values = [told].flat().map(value => Buffer.from(value))
      if (description === 'dn' || values.length === 0) continue
      const name = RANGE.exec(description)?.[1] ?? description
      const known = attributes.get(name)
      if (known === undefined) attributes.set(name, values)
      else if (RANGE.test(description)) known.push(...values)
    }
  }
  return { dn, attributes: [...attributes].map(([name, values]): LdifAttribute => ({ name, values })) }
}
