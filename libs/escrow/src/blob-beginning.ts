import { isCapiBlob } from './capi-blob.js'
import { isCngEccBlob, isCngRsaBlob } from './cng-blob.js'

/** CALG_RSA_KEYX and "RSA2", after the version and two octets that are zero (MS-WCCE 2.2.2.9.1). */
const CAPI = '000000a4000052534132'
/** version 0 and the beginning of AlgorithmIdentifier, after the outer length (RFC 5958, 2). */
const PKCS8 = '02010030'

/**
 * Whether 16 octets are the beginning of a key blob in one of the forms that are archived. They are header and public
 * numbers only; 16 octets that are not are taken for such with a chance of 2^-28 or less.
 */
export function isBlobBeginning(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false
  const text = Buffer.from(bytes).toString('hex')
  if (isCapiBlob(bytes)) return text.slice(4, 24) === CAPI
  if (isCngRsaBlob(bytes) || isCngEccBlob(bytes)) return true
  return ['30', '3081', '3082'].some(
    (head, octets) => text.startsWith(head) && text.slice(head.length + 2 * Math.max(1, octets)).startsWith(PKCS8)
  )
}
