import { unwrapSealedKey } from '@app/client'
import { AppError } from '@app/core'
import { decodeDerPemOrBase64, decodePem, encodePem } from '@app/der'
import { isThresholdSealed } from '@app/escrow'

/** What `key open` works on: a sealed key, and what came with it. */
export interface RecoveryFile {
  /** EnvelopedData, which one agent opens, or a key that several agents open together. */
  readonly sealed: Uint8Array
  readonly mode: 'any-agent' | 'threshold'
  /** The agents' shares, each encrypted to the recipient. */
  readonly transferred: readonly Uint8Array[]
  /** DER: that of the key, and others. */
  readonly certificates: readonly Uint8Array[]
}

/** A key that several agents open together with their shares and the certificates, as one PEM file. */
export function encodeRecoveryFile({ sealed, transferred, certificates }: Omit<RecoveryFile, 'mode'>): string {
  const contents = [sealed, ...transferred].map(bytes => encodePem('CMS', bytes))
  return [...contents, ...certificates.map(bytes => encodePem('CERTIFICATE', bytes))].join('')
}

/**
 * Reads what {@link encodeRecoveryFile} wrote, or one sealed key in DER, PEM or base64: bare, or inside of a SignedData of
 * the CA that hands it out with certificates (MS-CSRA 3.1.4.2.9), whose signature is not looked at here. Throws
 * `pem_invalid` for other text, `cms_structure` when it is not clear which of its parts is the key, `cms_content_missing`
 * for a SignedData that holds certificates and no key, and a `der_…` code.
 */
export function decodeRecoveryFile(input: Uint8Array): RecoveryFile {
  const blocks = decodePem(Buffer.from(input).toString('latin1'))
  if (blocks.length < 2) return withoutShares(decodeDerPemOrBase64(input), [])
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ bytes }) => bytes)
  const contents = blocks.filter(({ label }) => label !== 'CERTIFICATE').map(({ bytes }) => bytes)
  const [first, ...others] = contents
  if (first !== undefined && others.length === 0) return withoutShares(first, certificates)
  const keys = contents.filter(isThresholdSealed)
  const [sealed] = keys
  if (sealed === undefined || keys.length > 1) {
    throw new AppError(
      'cms_structure',
      `The file has ${contents.length} messages, and ${keys.length} of them are keys.`
    )
  }
  return { sealed, mode: 'threshold', transferred: contents.filter(content => content !== sealed), certificates }
}

function withoutShares(bytes: Uint8Array, beside: readonly Uint8Array[]): RecoveryFile {
  const { sealed, certificates } = unwrapSealedKey(bytes)
  const mode = isThresholdSealed(sealed) ? 'threshold' : 'any-agent'
  return { sealed, mode, transferred: [], certificates: [...beside, ...certificates] }
}
