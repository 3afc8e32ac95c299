import { fromHex } from '@app/core'
import { invalid, type XmlElement } from './xml-document.js'

/** Longest text of an attribute or a property, in UTF-16 code units. */
const MAX_TEXT = 1024
/** Clients are found by it, so it must fit an index. Those of Configuration Manager have 42 characters. */
const MAX_HARDWARE_ID = 256

/** Reads the fields of a message and gathers what is wrong with them, so that one answer names all. */
export class RequestFields {
  private readonly problems: { readonly field: string; readonly what: string }[] = []

  /** Notes that a field is not as it must be. */
  wrong(field: string, what: string): void {
    this.problems.push({ field, what })
  }

  /** Throws `registration_schema_invalid` when anything was noted. */
  finish(): void {
    if (this.problems.length === 0) return
    const list = this.problems.map(({ field, what }) => `${field} ${what}`).join('; ')
    throw invalid(
      `The message does not fit its schema: ${list}.`,
      this.problems.map(({ field }) => field)
    )
  }

  /** The one child of a name. */
  child(parent: XmlElement, name: string, field: string): XmlElement | undefined {
    const found = this.optional(parent, name, field)
    if (found === undefined && !parent.children.some(child => child.name === name)) this.wrong(field, 'is missing')
    return found
  }

  /** The child of a name, of which there may be one. */
  optional(parent: XmlElement, name: string, field: string): XmlElement | undefined {
    const found = parent.children.filter(child => child.name === name)
    if (found.length > 1) this.wrong(field, 'is there more than once')
    return found.length === 1 ? found[0] : undefined
  }

  /** An attribute that must be there; it may be empty. */
  attribute(element: XmlElement, name: string, field: string): string | undefined {
    const value = element.attributes[name]
    if (value === undefined) this.wrong(field, 'is missing')
    else if (value.length > MAX_TEXT) this.wrong(field, `has more than ${MAX_TEXT} characters`)
    else return value
    return undefined
  }

  oneOf<Value extends string>(
    element: XmlElement,
    name: string,
    field: string,
    values: readonly Value[]
  ): Value | undefined {
    const text = this.attribute(element, name, field)
    if (text === undefined) return undefined
    const value = values.find(candidate => candidate === text)
    if (value === undefined) this.wrong(field, `is none of ${values.join(', ')}`)
    return value
  }

  /** A time in UTC as `yyyy-MM-ddTHH:mm:ssZ`. */
  time(element: XmlElement, name: string, field: string): Date | undefined {
    const text = this.attribute(element, name, field)
    if (text === undefined) return undefined
    const time = new Date(text)
    const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) && !Number.isNaN(time.getTime())
    if (isTime && time.toISOString().startsWith(text.slice(0, -1))) return time
    this.wrong(field, 'is no time as yyyy-MM-ddTHH:mm:ssZ')
    return undefined
  }

  /** The content of an element in hexadecimal, as it is. */
  hex(element: XmlElement, field: string): string | undefined {
    const encoding = element.attributes['Encoding']
    if (encoding !== undefined && encoding.toLowerCase() !== 'hexbinary')
      this.wrong(`${field}@Encoding`, 'is not HexBinary')
    const text = element.text.trim()
    if (text === '') this.wrong(field, 'is empty')
    else if (element.children.length > 0) this.wrong(field, 'has elements in it')
    else if (!/^(?:[0-9a-f]{2})+$/i.test(text)) this.wrong(field, 'is no hexadecimal')
    else return text
    return undefined
  }

  bytes(element: XmlElement, field: string): Uint8Array | undefined {
    const hex = this.hex(element, field)
    return hex === undefined ? undefined : fromHex(hex.toLowerCase())
  }

  /** The discovery properties by their names in lower case, for both ways to write them are in use. */
  properties(data: XmlElement, mandatory: readonly string[]): ReadonlyMap<string, string> {
    const path = 'Data/DiscoveryProperties'
    const found = new Map<string, string>()
    const list =
      mandatory.length > 0
        ? this.child(data, 'DiscoveryProperties', path)
        : this.optional(data, 'DiscoveryProperties', path)
    if (list === undefined) return found
    for (const element of list.children.filter(({ name }) => name === 'Property')) {
      const name = this.attribute(element, 'Name', `${path}/Property@Name`)
      if (name === undefined) continue
      const field = `${path}/Property[${name.slice(0, 64)}]`
      const value = this.attribute(element, 'Value', `${field}@Value`)
      if (found.has(name.toLowerCase())) this.wrong(field, 'is there more than once')
      if (value !== undefined) found.set(name.toLowerCase(), value)
    }
    for (const name of mandatory) {
      const value = found.get(name.toLowerCase())
      if (value === undefined || value.trim() === '') this.wrong(`${path}/Property[${name}]`, 'is missing')
    }
    if ((found.get('.hardwareid1')?.length ?? 0) > MAX_HARDWARE_ID) {
      this.wrong(`${path}/Property[.HardwareID1]`, `has more than ${MAX_HARDWARE_ID} characters`)
    }
    const flag = found.get('internetflag')
    if (flag !== undefined && !/^[012]$/.test(flag)) this.wrong(`${path}/Property[InternetFlag]`, 'is none of 0, 1, 2')
    return found
  }
}
