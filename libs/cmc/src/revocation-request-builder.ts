import { buildSignedData, identifierOf } from '@app/cms'
import { encodeGeneralizedTime, encodeOctetString, encodeSequence, encodeTlv, TAG } from '@app/der'
import { OID } from '@app/oid'
import { decodeCertificate } from '@app/x509'
import { encodeTaggedAttribute } from './message-part.js'
import { encodePkiData } from './pki-data.js'
import type { RequestCosigner } from './request-builder.js'

/** A message that asks to revoke a certificate, to build. */
export interface RevocationRequestPlan {
  /** The certificate's element. */
  readonly certificate: Uint8Array
  /** A CRLReason (RFC 5280, 5.3.1). */
  readonly reason: number
  readonly invalidityDate?: Date
  /** The content octets of an INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  /** Who signs: with the key of the certificate itself, or with that of another of the same holder. */
  readonly signer: RequestCosigner
}

/** A signed CMC message that asks to revoke a certificate (RFC 10002 (RFC 5272), 6.11). Throws what `sign` throws. */
export function buildRevocationRequest(plan: RevocationRequestPlan): Promise<Uint8Array> {
  const { issuer, serialNumber } = decodeCertificate(plan.certificate)
  const { transactionId, senderNonce, invalidityDate, signer } = plan
  const wish = encodeSequence(
    issuer.raw,
    encodeTlv(TAG.integer, serialNumber),
    encodeTlv(TAG.enumerated, Uint8Array.of(plan.reason)),
    ...(invalidityDate === undefined ? [] : [encodeGeneralizedTime(invalidityDate)])
  )
  const controls: (readonly [string, Uint8Array])[] = [[OID.id_cmc_revokeRequest, wish]]
  if (transactionId !== undefined) controls.push([OID.id_cmc_transactionId, encodeTlv(TAG.integer, transactionId)])
  if (senderNonce !== undefined) controls.push([OID.id_cmc_senderNonce, encodeOctetString(senderNonce)])
  const tagged = controls.map(([type, value], index) => encodeTaggedAttribute(index + 1, type, value))
  return buildSignedData({
    eContentType: OID.id_cct_PKIData,
    eContent: encodePkiData({ controls: tagged, requestSequence: encodeSequence() }),
    certificates: [signer.certificate],
    signers: [{ sid: identifierOf(decodeCertificate(signer.certificate)), scheme: signer.scheme, sign: signer.sign }]
  })
}
