import { SaxesParser } from 'saxes'
import { AppError } from '@app/core'

/** An element of a message. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** The character data directly in it, joined. */
  readonly text: string
}

/** What a message may have at most. */
export interface XmlLimits {
  /** UTF-16 code units of the whole text. */
  readonly length: number
  readonly depth: number
  readonly elements: number
}

/** A request with two certificates and every property has some 15 000 characters. */
export const XML_LIMITS: XmlLimits = { length: 128 * 1024, depth: 12, elements: 512 }

interface OpenElement extends XmlElement {
  readonly children: XmlElement[]
  text: string
}

/**
 * Reads a message as XML 1.0. There is no document type, and so no entity but the five that XML has by itself; no
 * processing instruction, comment or CDATA section, which no message needs and which would let a text look like an
 * element. Throws `registration_schema_invalid` for all that is not well-formed or beyond the limits, and says where.
 */
export function parseXmlDocument(text: string, limits: XmlLimits = XML_LIMITS): XmlElement {
  if (text.length > limits.length) {
    throw invalid(`The message has ${text.length} characters; at most ${limits.length} are taken.`)
  }
  const parser = new SaxesParser({ xmlns: false, position: true })
  const open: OpenElement[] = []
  let root: XmlElement | undefined
  let elements = 0
  const at = (): string => `line ${parser.line}, column ${parser.column}`
  const refuse = (what: string) => (): never => {
    throw invalid(`The message has ${what} (${at()}), which is not taken.`)
  }
  parser.on('error', error => {
    throw invalid(`The message is not well-formed XML: ${error.message.replace(/\.?$/, '')}.`)
  })
  parser.on('doctype', refuse('a document type declaration'))
  parser.on('processinginstruction', refuse('a processing instruction'))
  parser.on('comment', refuse('a comment'))
  parser.on('cdata', refuse('a CDATA section'))
  parser.on('opentag', ({ name, attributes }) => {
    elements++
    if (elements > limits.elements) throw invalid(`The message has more than ${limits.elements} elements.`)
    if (open.length >= limits.depth) throw invalid(`The message nests more than ${limits.depth} elements (${at()}).`)
    open.push({ name, attributes, children: [], text: '' })
  })
  parser.on('text', chars => {
    const element = open.at(-1)
    if (element !== undefined) element.text += chars
  })
  parser.on('closetag', () => {
    const element = open.pop()
    if (element === undefined) return
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
  })
  // A byte order mark is no character of the document.
  parser.write(text.startsWith('\uFEFF') ? text.slice(1) : text).close()
  if (root === undefined) throw invalid('The message has no element.')
  return root
}

/** Writes text so that it stands for itself in an attribute or an element. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"'\t\n\r]/g, character => `&#${character.charCodeAt(0)};`)
}

/** The error of a message that does not fit its schema; `fields` names what is missing or wrong, by its path. */
export function invalid(message: string, fields: readonly string[] = []): AppError {
  return new AppError('registration_schema_invalid', message, fields.length === 0 ? {} : { fields: fields.join(', ') })
}
