import { createPrivateKey, type KeyObject } from 'node:crypto'
import { decodeContentInfo, decodeSignedData } from '@app/cms'
import { AppError, equalBytes, view, wipe } from '@app/core'
import { decodeDerPemOrBase64, encodeContext, encodeOid, encodeSequence } from '@app/der'
import { isThresholdSealed, keyBlobToPkcs8, openSealedKey } from '@app/escrow'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeCertificate, type Certificate } from '@app/x509'

/** A key from the archive of an AD CS, opened. */
export interface OpenedKeyBlob {
  readonly privateKey: KeyObject
  /** DER of the key's certificate; absent when the blob has none that fits. */
  readonly certificate?: Uint8Array
}

/**
 * Opens what `certutil -getkey` gives (MS-CSRA 3.1.4.2.9): a SignedData with certificates over the EnvelopedData that the
 * key is sealed in, or the EnvelopedData alone; DER, PEM or base64. The signature of the CA that it comes from is not
 * looked at: that the key opens and fits its certificate is what counts.
 *
 * Throws what `openSealedKey` throws, `cms_content_missing` for a message without a key, and `form_not_supported` for a key
 * that several agents open together.
 */
export async function openArchivedKeyBlob(
  blob: Uint8Array,
  agent: { readonly privateKey: KeyObject; readonly certificate?: Certificate }
): Promise<OpenedKeyBlob> {
  const { sealed, certificates } = unwrapSealedKey(decodeDerPemOrBase64(blob))
  if (isThresholdSealed(sealed)) {
    throw new AppError('form_not_supported', 'Several agents open this key together; recover it where it is archived.')
  }
  const privateKey = await openSealedKey({
    sealed,
    decrypter: decrypterOf(agent.privateKey),
    ...(agent.certificate === undefined ? {} : { agentCertificate: agent.certificate }),
    use: ({ plaintext }) => privateKeyInBlob(plaintext)
  })
  const spki = publicHalfOf(privateKey).raw
  const certificate = certificates.find(der => equalBytes(decodeCertificate(der).publicKey.raw, spki))
  return { privateKey, ...(certificate === undefined ? {} : { certificate }) }
}

/**
 * A sealed key out of the SignedData that hands it out with certificates, or as it is without one. Throws
 * `cms_content_missing` for a message without a key, and a `der_…` code.
 */
export function unwrapSealedKey(bytes: Uint8Array): {
  readonly sealed: Uint8Array
  readonly certificates: readonly Uint8Array[]
} {
  if (decodeContentInfo(bytes).contentType !== OID.id_signedData) return { sealed: bytes, certificates: [] }
  const { eContent, eContentType, certificates } = decodeSignedData(bytes)
  if (eContent === undefined)
    throw new AppError('cms_content_missing', 'The message holds certificates and no sealed key.')
  // With the type of the content in the outer message, PKCS#7 leaves it out inside (RFC 2315, 7).
  const sealed =
    eContentType === OID.id_envelopedData
      ? encodeSequence(encodeOid(OID.id_envelopedData), encodeContext(0, eContent))
      : eContent
  return { sealed, certificates }
}

/** The private key in an archived blob, in any form that clients archive. The caller wipes the blob. */
export function privateKeyInBlob(plaintext: Uint8Array): KeyObject {
  const pkcs8 = keyBlobToPkcs8(plaintext)
  try {
    return createPrivateKey({ key: view(pkcs8), format: 'der', type: 'pkcs8' })
  } finally {
    wipe(pkcs8)
  }
}
