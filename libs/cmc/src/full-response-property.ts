import { hash } from 'node:crypto'
import { AppError } from '@app/core'
import { buildCertificateBundle } from '@app/cms'
import { CMC_FAIL_INFO } from './cmc-status.js'
import { findIssuedCertificate, findIssuedChain, type FullResponse } from './full-response.js'
import { findProperty, FR_PROPERTIES, type PropertyEntry } from './property-table.js'
import { PROPTYPE } from './request-flags.js'
import type { StatusInfo } from './status-info.js'

/** A property's value in the JavaScript type of its PROPTYPE. */
export type PropertyValue = number | string | Uint8Array | Date

const TYPES = {
  long: PROPTYPE.PROPTYPE_LONG,
  date: PROPTYPE.PROPTYPE_DATE,
  binary: PROPTYPE.PROPTYPE_BINARY,
  string: PROPTYPE.PROPTYPE_STRING
} as const

/**
 * A property of a full response, as ICertRequest2::GetFullResponseProperty gives it (certcli.h, FR_PROP_*). `property`
 * is an id or a name, `index` counts the statuses from 0. Throws `invalid_argument` for an unknown property, an index
 * out of range or another `type` (PROPTYPE_*) than the property's, `property_empty` when the response has no such value;
 * that is always so for the properties of attestation, which this program does not take part in.
 */
export function readFullResponseProperty(
  response: FullResponse,
  property: number | string,
  index = 0,
  type?: number
): PropertyValue {
  const entry = findProperty(FR_PROPERTIES, property)
  if (entry === undefined) {
    throw new AppError('invalid_argument', `"${String(property).slice(0, 64)}" is no property of a full response.`)
  }
  const statuses = response.statusInfos.length
  // A response without a status is one success (RFC 10002 (RFC 5272), 6.1.2), so index 0 always exists.
  const limit = entry.indexed ? Math.max(statuses, 1) : 1
  if (!Number.isInteger(index) || index < 0 || index >= limit) {
    throw new AppError('invalid_argument', `${entry.name} has no index ${index}.`, {
      property: entry.name,
      index,
      limit
    })
  }
  if (type !== undefined && (type & PROPTYPE.PROPTYPE_MASK) !== TYPES[entry.type]) {
    throw new AppError('invalid_argument', `${entry.name} is of type ${entry.type}.`, { property: entry.name, type })
  }
  const value = readValue(response, entry, index)
  if (value === undefined) {
    throw new AppError('property_empty', `The response has no value for ${entry.name}.`, {
      property: entry.name,
      index
    })
  }
  return value
}

function readValue(response: FullResponse, entry: PropertyEntry, index: number): PropertyValue | undefined {
  const status = response.statusInfos[index]
  switch (entry.id) {
    case 1:
      return response.raw
    case 2:
      return response.statusInfos.length
    case 3:
      return status?.bodyList.map(reference => reference.join('.')).join(',')
    case 4:
      return status?.status
    case 5:
      return status?.statusString
    case 6:
      return status === undefined ? undefined : otherInfoChoice(status)
    case 7:
      return status === undefined ? undefined : failInfo(status)
    case 8:
      return status?.otherInfo?.kind === 'pendInfo' ? status.otherInfo.pendInfo.token : undefined
    case 9:
      return status?.otherInfo?.kind === 'pendInfo' ? status.otherInfo.pendInfo.time : undefined
    case 15:
      return response.content
    default:
      return readIssued(response, entry.id)
  }
}

function readIssued(response: FullResponse, id: number): Uint8Array | undefined {
  const issued = findIssuedCertificate(response)
  switch (id) {
    case 10:
      return response.issuedCertificateHash ?? (issued === undefined ? undefined : hash('sha1', issued.raw, 'buffer'))
    case 11:
      return issued?.raw
    case 12:
      return issued === undefined ? undefined : bundle(response, [])
    case 13:
      return issued === undefined ? undefined : bundle(response, response.signedData.crls)
    case 14:
      return response.encryptedKeyHash?.value
    default:
      return undefined
  }
}

function bundle(response: FullResponse, crls: readonly Uint8Array[]): Uint8Array {
  return buildCertificateBundle({ certificates: findIssuedChain(response).map(({ raw }) => raw), crls })
}

function otherInfoChoice({ otherInfo }: StatusInfo): number {
  if (otherInfo === undefined) return 0
  return otherInfo.kind === 'pendInfo' ? 2 : 1
}

/** An extended reason may be taken for internalCAError (RFC 10002 (RFC 5272), 6.1.1). */
function failInfo({ otherInfo }: StatusInfo): number | undefined {
  if (otherInfo?.kind === 'failInfo') return otherInfo.failInfo
  return otherInfo?.kind === 'extendedFailInfo' ? CMC_FAIL_INFO.internalCAError : undefined
}
