import { AppError, equalBytes } from '@app/core'
import { decodeSignedData, findSignerCertificate, isIdentifiedBy, verifySignerInfo } from '@app/cms'
import { OID } from '@app/oid'
import { decodeSubjectKeyIdentifier, findExtension, type Certificate } from '@app/x509'
import { controlsOf, decodeControls, findOctets, type ControlMeaning, type RevokeRequest } from './control.js'
import { decodePkiData } from './pki-data.js'
import { messageFormOf } from './request-form.js'
import { getContent } from './request-message.js'
import { getOnlySigner } from './request-proof.js'

/** A CMC message that asks to revoke a certificate. */
export interface RevocationRequest extends RevokeRequest {
  /** Of the control, which an answer refers to. */
  readonly bodyPartId: number
  /** The content octets of the INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  readonly dataReturn?: Uint8Array
  /**
   * Verifies the one signature of the message, by the certificate to revoke or by one that the message holds, and tells
   * whether it was the former. Throws what `findSignerCertificate` and `verifySignerInfo` throw.
   */
  verify(certificate: Certificate): { readonly isByItsOwnKey: boolean }
}

const ALLOWED: ReadonlySet<ControlMeaning['kind']> = new Set([
  'revokeRequest',
  'transactionId',
  'senderNonce',
  'recipientNonce',
  'dataReturn'
])

/**
 * Reads a message that asks to revoke one certificate (RFC 10002 (RFC 5272), 6.11); undefined when the message is CMC and
 * asks for something else. Its signature is not verified before {@link RevocationRequest.verify} is called. Throws
 * `form_not_supported` when it asks for something besides, a certificate included; `cms_no_signer`, `cms_signer_count`,
 * and what the decoders of the parts throw.
 */
export function findRevocationRequest(bytes: Uint8Array): RevocationRequest | undefined {
  if (messageFormOf(bytes) !== 'cmc') return undefined
  const signedData = decodeSignedData(bytes)
  const pkiData = decodePkiData(getContent(signedData))
  if (!pkiData.controls.some(({ type }) => type === OID.id_cmc_revokeRequest)) return undefined
  const controls = decodeControls(pkiData.controls)
  const [control] = controlsOf(controls, 'revokeRequest')
  if (control === undefined) return undefined
  const parts = pkiData.requests.length + pkiData.contentInfos.length + pkiData.otherMessages.length
  if (parts > 0 || controls.some(({ kind }) => !ALLOWED.has(kind))) {
    throw new AppError('form_not_supported', 'A message that asks to revoke a certificate must ask for nothing else.')
  }
  const signer = getOnlySigner(signedData.signerInfos)
  const [transaction] = controlsOf(controls, 'transactionId')
  const senderNonce = findOctets(controls, 'senderNonce')
  const dataReturn = findOctets(controls, 'dataReturn')
  return {
    ...control.revokeRequest,
    bodyPartId: control.bodyPartId,
    ...(transaction === undefined ? {} : { transactionId: transaction.content }),
    ...(senderNonce === undefined ? {} : { senderNonce }),
    ...(dataReturn === undefined ? {} : { dataReturn }),
    verify: certificate => {
      const isNamed = isIdentifiedBy(identityOf(certificate), signer.sid)
      const by = isNamed ? certificate : findSignerCertificate(signedData, signer.sid)
      verifySignerInfo(signedData, signer, by.publicKey)
      return { isByItsOwnKey: isNamed || equalBytes(by.raw, certificate.raw) }
    }
  }
}

function identityOf(certificate: Certificate): Parameters<typeof isIdentifiedBy>[0] {
  const { issuer, serialNumber } = certificate
  const extension = findExtension(certificate, OID.id_ce_subjectKeyIdentifier)
  const keyId = extension === undefined ? undefined : decodeSubjectKeyIdentifier(extension.value)
  return { issuer: issuer.raw, serialNumber, keyId }
}
