import type { Signer } from '@app/keys'
import { OID } from '@app/oid'
import { encodeCertificate, encodeExtendedKeyUsage, encodeKeyUsage, encodeName, encodeTbsCertificate } from '@app/x509'

/** A certificate that a key gives itself, for key recovery: of a test agent, or of who a drill recovers for. DER. */
export async function selfSignedCertificate(
  signer: Signer,
  { name, serialNumber, notBefore, notAfter }: SelfSigned
): Promise<Uint8Array> {
  const subject = encodeName([[{ type: OID.id_at_commonName, value: name }]])
  const tbs = encodeTbsCertificate({
    serialNumber,
    scheme: signer.scheme,
    issuer: subject,
    notBefore,
    notAfter,
    subject,
    publicKey: signer.publicKey.raw,
    extensions: [
      { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['keyEncipherment']) },
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.szOID_KP_KEY_RECOVERY_AGENT]) }
    ]
  })
  return encodeCertificate(tbs, signer.scheme, await signer.sign(tbs))
}

/** What stands in such a certificate. */
interface SelfSigned {
  readonly name: string
  /** Positive, without leading zero octets. */
  readonly serialNumber: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
}
