/** One attribute of an entry: its description as written, options like `;binary` included, and its values in order. */
export interface LdifAttribute {
  readonly name: string
  readonly values: readonly Uint8Array[]
}

/** One entry of a directory: a content record of RFC 2849, or a change record that adds an entry. */
export interface LdifEntry {
  /** The distinguished name as written. */
  readonly dn: string
  /** Attributes in the order of their first values; none twice but for letter case. */
  readonly attributes: readonly LdifAttribute[]
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The values of an attribute, whatever the case of its name (RFC 4512, 2.5). Empty when the entry lacks it. */
export function valuesOf(entry: LdifEntry, name: string): readonly Uint8Array[] {
  const wanted = name.toLowerCase()
  return entry.attributes.find(attribute => attribute.name.toLowerCase() === wanted)?.values ?? []
}

/** The values of an attribute that are text; what is not UTF-8 is left out. */
export function textValuesOf(entry: LdifEntry, name: string): readonly string[] {
  return valuesOf(entry, name).flatMap(value => textOf(value) ?? [])
}

/** The first value of an attribute as text; undefined when the entry has none or it is not UTF-8. */
export function findText(entry: LdifEntry, name: string): string | undefined {
  const [value] = valuesOf(entry, name)
  return value === undefined ? undefined : textOf(value)
}

/** Whether an entry is of a class, by its `objectClass` values. */
export function isOfClass(entry: LdifEntry, objectClass: string): boolean {
  return textValuesOf(entry, 'objectClass').some(value => value.toLowerCase() === objectClass.toLowerCase())
}

/** The text of a value; undefined when it is not UTF-8. */
export function textOf(value: Uint8Array): string | undefined {
  try {
    return utf8.decode(value)
  } catch {
    return undefined
  }
}
