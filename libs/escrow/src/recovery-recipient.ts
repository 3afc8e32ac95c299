import { decodeEnvelopedData, isIdentifiedBy, type EnvelopedData } from '@app/cms'
import { AppError, attempt, equalBytes, isAppError } from '@app/core'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeKeyUsage,
  findExtension,
  verifyCertificateSignature,
  type Certificate
} from '@app/x509'
import { verifyKeyStrength } from './key-strength.js'

/** Whom a recovery is for. */
export interface RecoveryRecipient {
  readonly certificate: Certificate
  /** Whether it is a one-time key: the certificate vouches for nothing, and people compare its fingerprint. */
  readonly isSelfSigned: boolean
}

/**
 * Reads the certificate that agents are to encrypt their shares to: an RSA key of 2048 bits or more that is not weak,
 * valid now, for key encipherment where it has a key usage; one that is its own issuer must be signed by its own key.
 * Whether an issuer is to be trusted the agents decide. Throws `invalid_argument` for another one.
 */
export function decodeRecoveryRecipient(der: Uint8Array, now: Date): RecoveryRecipient {
  try {
    const certificate = decodeCertificate(der)
    const fault = faultOf(certificate, now)
    if (fault !== undefined) throw new AppError('invalid_argument', `The recipient will not do: ${fault}.`)
    const isSelfSigned = equalBytes(certificate.subject.raw, certificate.issuer.raw)
    if (isSelfSigned) verifyCertificateSignature(certificate, certificate.publicKey)
    return { certificate, isSelfSigned }
  } catch (error) {
    if (!isAppError(error) || error.code === 'invalid_argument' || error.code === 'internal') throw error
    throw new AppError('invalid_argument', `The recipient will not do: ${error.message}`, {}, { cause: error })
  }
}

function faultOf(certificate: Certificate, now: Date): string | undefined {
  if (now < certificate.notBefore || now.getTime() >= certificate.notAfter.getTime() + 1000) {
    return 'its certificate is not valid at the moment'
  }
  const usage = findExtension(certificate, OID.id_ce_keyUsage)
  if (usage !== undefined && !decodeKeyUsage(usage.value).has('keyEncipherment')) {
    return 'its certificate is not for key encipherment'
  }
  if (certificate.publicKey.algorithm !== 'rsa') return 'its key is not RSA'
  verifyKeyStrength(certificate.publicKey)
  return undefined
}

/**
 * Verifies what can be told of a share that is encrypted to the recipient of a recovery without opening it: a ContentInfo
 * with AuthEnvelopedData for the recipient and nobody else, in AES-256-GCM and RSAES-OAEP with SHA-256, as long as a share
 * is. That it is the right share only the recipient can tell. Throws `recovery_share_invalid`.
 */
export function verifyTransferredShare(share: Uint8Array, recipient: Certificate): void {
  const enveloped = attempt(() => decodeEnvelopedData(share))
  const fault = enveloped === undefined ? 'it breaks its form' : faultOfShare(enveloped, recipient)
  if (fault !== undefined) throw new AppError('recovery_share_invalid', `This is no share for the recipient: ${fault}.`)
}

function faultOfShare(share: EnvelopedData, recipient: Certificate): string | undefined {
  const { kind, recipients, contentEncryption, encryptedContent, contentType } = share
  const [only, ...others] = recipients
  if (kind !== 'auth-enveloped' || contentEncryption.algorithm !== 'aes-256-gcm' || contentType !== OID.id_data) {
    return 'it is not AuthEnvelopedData with AES-256-GCM'
  }
  const identity = { issuer: recipient.issuer.raw, serialNumber: recipient.serialNumber }
  const isForRecipient =
    only !== undefined &&
    others.length === 0 &&
    isIdentifiedBy(identity, only.identifier) &&
    only.encryptedKey.length === Math.ceil(recipient.publicKey.bits / 8)
  if (!isForRecipient) return 'it is not encrypted to the recipient alone'
  if (only.transport.scheme !== 'rsaes-oaep' || only.transport.digest !== 'sha256') {
    return 'its key is not transported by RSAES-OAEP with SHA-256'
  }
  return encryptedContent.length === ENCODED_SHARE_LENGTH ? undefined : 'it is longer or shorter than a share'
}

/** Of an AgentShare: SEQUENCE { INTEGER 1, OCTET STRING (32), OCTET STRING (33) }. */
const ENCODED_SHARE_LENGTH = 2 + 3 + 34 + 35
