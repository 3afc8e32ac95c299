import { createHash } from 'node:crypto'
import { AppError, equalBytes } from '@app/core'
import { decodeGuid, encodeGuid } from './security-identifier.js'

/** One certificate of an account as the directory holds it. */
export interface UserSignCert {
  /** A GUID. */
  readonly identifier: string
  /** DER */
  readonly certificate: Uint8Array
}

const DIGEST_LENGTH = 16
const ENTRY_HEADER = 2 * DIGEST_LENGTH + 4
/** rangeUpper of mSMQSignCertificates (MS-ADA2 2.587). */
const MOST_BYTES = 1_048_576

/** The digest that a registered certificate is found by: MD5 (MS-MQMQ 2.2.22). It finds, it never decides. */
export function userCertDigest(certificate: Uint8Array): Uint8Array {
  return createHash('md5').update(certificate).digest()
}

/**
 * The value of mSMQSignCertificates: MQUSERSIGNCERTS, little-endian, in the order given (MS-MQMQ 2.2.21, 2.2.22).
 * The value of mSMQDigests is {@link userCertDigest} of each, in the same order.
 */
export function encodeUserSignCerts(entries: readonly UserSignCert[]): Uint8Array {
  const parts = entries.flatMap(({ identifier, certificate }) => [
    userCertDigest(certificate),
    encodeGuid(identifier),
    uint32(certificate.length),
    certificate
  ])
  return Buffer.concat([uint32(entries.length), ...parts])
}

/**
 * Reads MQUSERSIGNCERTS. Throws `MQ_ERROR_INVALID_PARAMETER` when it is cut off, too long, has bytes after its end, or
 * a digest is not that of its certificate.
 */
export function decodeUserSignCerts(bytes: Uint8Array): readonly UserSignCert[] {
  const buffer = Buffer.from(bytes)
  if (buffer.length < 4 || buffer.length > MOST_BYTES) throw damaged('length')
  const count = buffer.readUInt32LE(0)
  const entries: UserSignCert[] = []
  let offset = 4
  while (entries.length < count) {
    if (buffer.length - offset < ENTRY_HEADER) throw damaged('an entry is cut off')
    const certificateAt = offset + ENTRY_HEADER
    const length = buffer.readUInt32LE(certificateAt - 4)
    if (length > buffer.length - certificateAt) throw damaged('a certificate is cut off')
    const certificate = buffer.subarray(certificateAt, certificateAt + length)
    const digest = buffer.subarray(offset, offset + DIGEST_LENGTH)
    if (!equalBytes(digest, userCertDigest(certificate))) throw damaged('a digest is another')
    entries.push({
      identifier: decodeGuid(buffer.subarray(offset + DIGEST_LENGTH, offset + 2 * DIGEST_LENGTH)),
      certificate
    })
    offset = certificateAt + length
  }
  if (offset !== buffer.length) throw damaged('bytes follow its end')
  return entries
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function damaged(what: string): AppError {
  return new AppError('MQ_ERROR_INVALID_PARAMETER', `The list of certificates is damaged: ${what}.`)
}
