import { hash } from 'node:crypto'
import { decodeSignedData, getSingleValue, verifySignerInfo } from '@app/cms'
import { AppError, equalBytes, isAppError } from '@app/core'
import { DerReader } from '@app/der'
import { decodeThresholdSealedKey } from '@app/escrow'
import { OID } from '@app/oid'
import { decodeCertificate, type Certificate } from '@app/x509'
import { findSigner, verifyAuthority } from './authority-signature.js'
import { verifyChain } from './chain.js'
import type { RecoveryPackage } from './console/recoveries.js'

/**
 * Holds what a recovery delivered against the pinned trust, before anybody opens it. It is refused, in this order, for
 *
 * 1. its certificate (`chain_invalid`), which did not chain to the trust when it began: what is recovered may have expired
 *    or been revoked long since,
 * 2. in the mode `any-agent`, its signature (`response_signature`): not made by a CA that chains to the trust, or over
 *    another sealed key; and the certificate hash under it (`response_certificate_hash`), absent or another's,
 * 3. in the mode `threshold`, the key (`response_key_mismatch`): not that of the certificate. Who changed anything else of it
 *    is found when it is opened.
 *
 * That the key inside is the certificate's only who opens it can tell. A package that cannot be read is refused with the
 * code of its fault.
 */
export async function verifyRecoveryPackage(recovery: RecoveryPackage, trust: string, at: Date): Promise<Certificate> {
  const certificate = decodeCertificate(recovery.certificate)
  // What is recovered may be as old as the archive that it was taken over from.
  await verifyChain(trust, [recovery.certificate, ...recovery.chain], certificate.notBefore, { allowLegacy: true })
  if (recovery.mode === 'any-agent') await verifySignedKey(recovery, trust, at)
  else verifyKeyHash(recovery.package, certificate)
  return certificate
}

async function verifySignedKey(recovery: RecoveryPackage, trust: string, at: Date): Promise<void> {
  const signedData = decodeSignedData(recovery.package)
  const ca = findSigner(signedData, 'recovered key')
  const [signer] = signedData.signerInfos
  if (signer?.signedAttributes === undefined) {
    throw new AppError(
      'response_signature',
      'The signature of the recovered key does not say which certificate it is for.'
    )
  }
  verifySignature(() => verifySignerInfo(signedData, signer, ca.publicKey))
  await verifyAuthority(ca, [...signedData.certificates, ...recovery.chain], { what: 'recovered key', trust, at })
  const name = 'szOID_ARCHIVED_KEY_CERT_HASH'
  const value = getSingleValue(signer.signedAttributes.list, OID.szOID_ARCHIVED_KEY_CERT_HASH, name)
  if (equalBytes(DerReader.over(value).octetString(name), hash('sha1', recovery.certificate, 'buffer'))) return
  throw new AppError('response_certificate_hash', 'The CA signed the key of another certificate.')
}

function verifySignature(verify: () => unknown): void {
  try {
    verify()
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    const message = `The signature of the recovered key does not hold: ${cause.message}`
    throw new AppError('response_signature', message, { cause: cause.code }, { cause })
  }
}

function verifyKeyHash(sealed: Uint8Array, { publicKey }: Certificate): void {
  if (equalBytes(decodeThresholdSealedKey(sealed).keyHash, hash('sha256', publicKey.raw, 'buffer'))) return
  throw new AppError('response_key_mismatch', 'The sealed key is not that of the certificate.')
}
