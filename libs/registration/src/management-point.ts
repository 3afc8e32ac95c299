import { OID } from '@app/oid'
import type { Signer } from '@app/keys'
import {
  encodeBasicConstraints,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeSubjectKeyIdentifier,
  encodeTbsCertificate
} from '@app/x509'

/** As long as the certificates of management points have always been. */
const VALIDITY_YEARS = 99
/** A clock that is a little behind takes it too. */
const BACKDATING = 3_600_000

/**
 * The self-signed certificate that a management point signs its replies with: 99 years, for that use alone. Clients know
 * it by itself, so nobody issues it.
 */
export async function buildManagementPointCertificate(
  signer: Signer,
  { name, serialNumber, now }: { readonly name: string; readonly serialNumber: Uint8Array; readonly now: Date }
): Promise<Uint8Array> {
  const subject = encodeName([[{ type: OID.id_at_commonName, value: name }]])
  const notBefore = new Date(Math.floor((now.getTime() - BACKDATING) / 1000) * 1000)
  const notAfter = new Date(notBefore)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALIDITY_YEARS)
  const tbs = encodeTbsCertificate({
    serialNumber,
    scheme: signer.scheme,
    issuer: subject,
    subject,
    notBefore,
    notAfter,
    publicKey: signer.publicKey.raw,
    extensions: [
      { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: false }) },
      { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature']) },
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.SMS_SIGNING_CERTIFICATE]) },
      {
        oid: OID.id_ce_subjectKeyIdentifier,
        critical: false,
        value: encodeSubjectKeyIdentifier(signer.publicKey.keyId)
      }
    ]
  })
  return encodeCertificate(tbs, signer.scheme, await signer.sign(tbs))
}

/** The r and s of an ECDSA-Sig-Value (RFC 3279, 2.2.3), 32 octets each, as RFC 9421 wants them. */
export function joinedSignature(der: Uint8Array): Uint8Array {
  const joined = new Uint8Array(64)
  let offset = 2
  for (const half of [0, 1]) {
    const length = der[offset + 1] ?? 0
    const value = der.subarray(offset + 2, offset + 2 + length)
    const number = value[0] === 0 ? value.subarray(1) : value
    joined.set(number, 32 * (half + 1) - number.length)
    offset += 2 + length
  }
  return joined
}
