import { randomBytes, sign } from 'node:crypto'
import { generateKeyPairOf } from '@app/keys'
import { newSerialNumber } from '@app/issuance'
import { OID } from '@app/oid'
import {
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeTbsCertificate,
  schemeFor
} from '@app/x509'
import type { StoredIdentity } from './certificate-stores.js'

const validityYears = 10

/**
 * A key and a self-signed certificate as clients of mixed mode sign with: RSA of 2048 bits, for this use alone. Nobody
 * trusts it by itself; it says that later messages come from who registered.
 */
export async function makeClientIdentity(name: string, now: Date): Promise<StoredIdentity> {
  const { privateKey, publicKey } = await generateKeyPairOf('rsa-2048')
  const scheme = schemeFor(publicKey)
  const subject = encodeName([[{ type: OID.id_at_commonName, value: name }]])
  const notBefore = new Date(Math.floor(now.getTime() / 1000) * 1000 - 3_600_000)
  const notAfter = new Date(notBefore)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + validityYears)
  const tbs = encodeTbsCertificate({
    serialNumber: newSerialNumber({ bytes: length => randomBytes(length) }),
    scheme,
    issuer: subject,
    subject,
    notBefore,
    notAfter,
    publicKey: publicKey.raw,
    extensions: [
      { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature', 'keyEncipherment']) },
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.SMS_CLIENT_CERTIFICATE]) }
    ]
  })
  return { certificate: encodeCertificate(tbs, scheme, sign('sha256', tbs, privateKey)), chain: [], privateKey }
}
