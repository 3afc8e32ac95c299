import { DerReader, encodeBmpString, encodeInteger, encodeSequence, encodeUtf8String, TAG } from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute, findAttribute, type Attribute } from '@app/x509'
import type { RequestAttribute } from './request-attributes.js'

/** Which program made a request, on which machine and for which account. Said by the client, proven by nothing. */
export interface RequestClientInfo {
  readonly clientId?: number
  readonly machine?: string
  readonly user?: string
  readonly process?: string
}

function decodeWhole<T>(value: Uint8Array, what: string, read: (reader: DerReader) => T): T {
  const reader = DerReader.over(value)
  const decoded = read(reader)
  reader.end(what)
  return decoded
}

/**
 * Reads a value of the client information attribute. Throws a `der_…` code.
 *
 * ```asn1
 * RequestClientInfo ::= SEQUENCE {
 *   clientId     INTEGER    OPTIONAL,
 *   machineName  UTF8String OPTIONAL,
 *   userName     UTF8String OPTIONAL,
 *   processName  UTF8String OPTIONAL }
 * ```
 * MS-WCCE 2.2.2.7.4. The order is that of the wire; a text that is missing can only be missing from the end.
 */
export function decodeRequestClientInfo(value: Uint8Array): RequestClientInfo {
  return decodeWhole(value, 'RequestClientInfo', reader => {
    const body = reader.sequence('RequestClientInfo')
    const clientId = body.nextTag === TAG.integer ? body.smallInteger('clientId') : undefined
    const next = (what: string): string | undefined => (body.isEnd ? undefined : body.string(what))
    const machine = next('machineName')
    const user = next('userName')
    const process = next('processName')
    body.end('RequestClientInfo')
    return {
      ...(clientId === undefined ? {} : { clientId }),
      ...(machine === undefined ? {} : { machine }),
      ...(user === undefined ? {} : { user }),
      ...(process === undefined ? {} : { process })
    }
  })
}

/** The client information attribute, with empty texts for what is not given, as Windows writes all four. */
export function encodeRequestClientInfo(info: RequestClientInfo): Uint8Array {
  const value = encodeSequence(
    encodeInteger(info.clientId ?? 0),
    encodeUtf8String(info.machine ?? ''),
    encodeUtf8String(info.user ?? ''),
    encodeUtf8String(info.process ?? '')
  )
  return encodeAttribute(OID.szOID_REQUEST_CLIENT_INFO, [value])
}

/** The client information among attributes; undefined when there is none. Throws a `der_…` code. */
export function findRequestClientInfo(attributes: readonly Attribute[]): RequestClientInfo | undefined {
  const value = findAttribute(attributes, OID.szOID_REQUEST_CLIENT_INFO)?.values[0]
  return value === undefined ? undefined : decodeRequestClientInfo(value)
}

/** The version of the client's operating system among attributes; undefined when there is none. Throws a `der_…` code. */
export function findOsVersion(attributes: readonly Attribute[]): string | undefined {
  const value = findAttribute(attributes, OID.szOID_OS_VERSION)?.values[0]
  return value === undefined ? undefined : decodeWhole(value, 'OS version', reader => reader.string('OS version'))
}

/**
 * The enrollment name-value pairs among attributes. Throws a `der_…` code.
 *
 * ```asn1
 * EnrollmentNameValuePair ::= SEQUENCE {
 *   name   BMPString,
 *   value  BMPString }
 * ```
 * MS-WCCE 2.2.2.7.10, which has a SEQUENCE OF pairs as the value; Windows writes one pair for each value. Both are read.
 */
export function findNameValuePairs(attributes: readonly Attribute[]): RequestAttribute[] {
  const values = attributes
    .filter(({ oid }) => oid === OID.szOID_ENROLLMENT_NAME_VALUE_PAIR)
    .flatMap(({ values }) => values)
  return values.flatMap(value =>
    decodeWhole(value, 'name-value pair', reader => {
      const body = reader.sequence('name-value pair')
      if (body.nextTag === TAG.sequence) return body.each(list => decodePair(list.sequence('name-value pair')))
      return [decodePair(body)]
    })
  )
}

function decodePair(body: DerReader): RequestAttribute {
  const name = body.string('name of a name-value pair')
  const value = body.string('value of a name-value pair')
  body.end('name-value pair')
  return { name, value }
}

/** The attribute with one name-value pair for each value, as Windows writes it. */
export function encodeNameValuePairs(pairs: readonly RequestAttribute[]): Uint8Array {
  const values = pairs.map(({ name, value }) => encodeSequence(encodeBmpString(name), encodeBmpString(value)))
  return encodeAttribute(OID.szOID_ENROLLMENT_NAME_VALUE_PAIR, values)
}
