import { deflateSync, inflateSync } from 'node:zlib'
import { invalid, parseXmlDocument } from './xml-document.js'

/** The path of messages without proof of an account, and that of those with one. */
export const LEGACY_PATHS = ['/ccm_system/request', '/ccm_system_windowsauth/request'] as const

/** The media type of both directions; the boundary is part of the header in each message. */
export const LEGACY_MEDIA_TYPE = 'multipart/mixed'

const METHOD = 'CCM_POST '
const PREFIX = 'CCM_'
const BOUNDARY = 'aAbBcCdDv1234567890VxXyYzZ'
const CRLF = '\r\n'
/** Octets of a message once it is unpacked. */
const MAX_UNPACKED = 512 * 1024
const MAX_PARTS = 8

/** One message as it goes over the wire. */
export interface LegacyMessage {
  readonly contentType: string
  readonly body: Uint8Array
}

/**
 * The start of a connection with `CCM_POST`, a method that HTTP servers do not know, changed to `POST`; any other start
 * as it is; `more` while it may become either.
 */
export function rewriteLegacyMethod(start: Uint8Array): Uint8Array | 'more' {
  const begin = Buffer.from(start.subarray(0, METHOD.length)).toString('latin1')
  if (begin === METHOD) return start.subarray(PREFIX.length)
  return METHOD.startsWith(begin) ? 'more' : start
}

/**
 * A message of a client: the `Msg` header in UTF-16 with a byte order mark, then the body as UTF-16LE, terminated by NUL
 * and CR LF, compressed with zlib (RFC 1950).
 * @param header the `Msg` element; of {@link legacyHeader}
 */
export function encodeLegacyRequest(xml: string, header: string): LegacyMessage {
  const head = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(header, 'utf16le')])
  return multipart([
    { type: 'text/plain; charset=UTF-16', bytes: head },
    { type: 'application/octet-stream', bytes: deflateSync(packed(xml)) }
  ])
}

/** A reply: one compressed part. */
export function encodeLegacyReply(xml: string): LegacyMessage {
  return multipart([{ type: 'application/octet-stream', bytes: deflateSync(packed(xml)) }])
}

/** The `Msg` header of a message for the endpoint of client registration. */
export function legacyHeader(
  xml: string,
  names: { readonly id: string; readonly sourceId: string; readonly host: string; readonly sentTime: string }
): string {
  const length = packed(xml).length - CRLF.length
  return [
    '<Msg ReplyCompression="zlib" SchemaVersion="1.1">',
    `<Body Type="ByteRange" Length="${length}" Offset="0"/>`,
    '<CorrelationID>{00000000-0000-0000-0000-000000000000}</CorrelationID>',
    '<Hooks><Hook3 Name="zlib-compress"/></Hooks>',
    `<ID>{${names.id}}</ID><Payload Type="inline"/><Priority>0</Priority><Protocol>http</Protocol>`,
    `<ReplyMode>Sync</ReplyMode><ReplyTo>direct:${names.host}:SccmMessaging</ReplyTo>`,
    `<SentTime>${names.sentTime}</SentTime><SourceID>${names.sourceId}</SourceID><SourceHost>${names.host}</SourceHost>`,
    '<TargetAddress>mp:MP_ClientRegistration</TargetAddress><TargetEndpoint>MP_ClientRegistration</TargetEndpoint>',
    `<TargetHost>${names.host}</TargetHost><Timeout>60000</Timeout></Msg>`
  ].join('')
}

/**
 * The body of a message for the endpoint of client registration. Throws `registration_schema_invalid` for what is no
 * multipart of a header and a body, is for another endpoint, or is larger than a message may be once unpacked.
 */
export function decodeLegacyRequest({ contentType, body }: LegacyMessage): string {
  const [head, payload, ...others] = partsOf(contentType, body)
  if (head === undefined || payload === undefined || others.length > 0) {
    throw invalid('A message has two parts: a header and a body.', ['multipart'])
  }
  const header = parseXmlDocument(textOf(head.bytes))
  const endpoint = header.children.find(({ name }) => name === 'TargetEndpoint')?.text.trim()
  if (header.name !== 'Msg' || endpoint !== 'MP_ClientRegistration') {
    throw invalid('The header is no Msg for the endpoint MP_ClientRegistration.', ['Msg/TargetEndpoint'])
  }
  return unpacked(payload.bytes)
}

/** The body of a reply. Throws as {@link decodeLegacyRequest}. */
export function decodeLegacyReply({ contentType, body }: LegacyMessage): string {
  const payload = partsOf(contentType, body).find(({ type }) => type.startsWith('application/octet-stream'))
  if (payload === undefined) throw invalid('The reply has no part with a body.', ['multipart'])
  return unpacked(payload.bytes)
}

interface Part {
  /** In lower case. */
  readonly type: string
  readonly bytes: Uint8Array
}

function multipart(parts: readonly Part[]): LegacyMessage {
  const pieces = parts.flatMap(({ type, bytes }) => [
    Buffer.from(`--${BOUNDARY}${CRLF}content-type: ${type}${CRLF}${CRLF}`, 'latin1'),
    bytes,
    Buffer.from(CRLF, 'latin1')
  ])
  const body = Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--${CRLF}`, 'latin1')])
  return { contentType: `${LEGACY_MEDIA_TYPE}; boundary="${BOUNDARY}"`, body }
}

/** The parts of a multipart body (RFC 2046, 5.1.1). */
function partsOf(contentType: string, body: Uint8Array): readonly Part[] {
  const [, quoted, plain] = /;\s*boundary=(?:"([\w'()+,./:=? -]{1,70})"|([\w'+./-]{1,70}))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw invalid('The Content-Type names no boundary of its parts.', ['Content-Type'])
  const bytes = Buffer.concat([Buffer.from(CRLF), body])
  const delimiter = Buffer.from(`${CRLF}--${boundary}`, 'latin1')
  const parts: Part[] = []
  let at = bytes.indexOf(delimiter)
  while (at >= 0) {
    const start = at + delimiter.length
    if (bytes.subarray(start, start + 2).toString('latin1') === '--') return parts
    const next = bytes.indexOf(delimiter, start)
    if (next < 0 || parts.length >= MAX_PARTS) break
    parts.push(partOf(bytes.subarray(start, next)))
    at = next
  }
  throw invalid('The parts of the message do not end, or are too many.', ['multipart'])
}

function partOf(bytes: Buffer): Part {
  const end = bytes.indexOf(`${CRLF}${CRLF}`)
  if (end < 0) throw invalid('A part of the message has no end of its header.', ['multipart'])
  const lines = bytes.subarray(0, end).toString('latin1').split(CRLF)
  const line = lines.find(text => /^content-type\s*:/i.test(text)) ?? ''
  const type = line.slice(line.indexOf(':') + 1).trim()
  return { type: type.toLowerCase(), bytes: bytes.subarray(end + 4) }
}

function packed(xml: string): Buffer {
  return Buffer.concat([Buffer.from(`${xml}\0`, 'utf16le'), Buffer.from(CRLF, 'latin1')])
}

function unpacked(bytes: Uint8Array): string {
  try {
    return textOf(inflateSync(bytes, { maxOutputLength: MAX_UNPACKED }))
  } catch (cause) {
    if (!(cause instanceof RangeError) && (cause as NodeJS.ErrnoException).code === undefined) throw cause
    throw invalid('The body is not compressed with zlib, or is too large once it is unpacked.', ['multipart'])
  }
}

/** UTF-16LE with or without a byte order mark, without the NUL and the line end, of one octet each or two, after it. */
function textOf(bytes: Uint8Array): string {
  let text = Buffer.from(bytes)
  if (text.subarray(-2).equals(Buffer.from(CRLF)) && text.at(-3) === 0) text = text.subarray(0, -2)
  if (text.length % 2 !== 0) throw invalid('A part of the message is not UTF-16.', ['multipart'])
  const decoded = new TextDecoder('utf-16le').decode(text)
  return decoded.replace(/[\0\r\n]+$/, '')
}
