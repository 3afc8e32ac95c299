import type { KeyObject } from 'node:crypto'
import type { Clock, Entropy } from '@app/core'
import { generateKeyPairOf, signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { encodeCertificate, encodeKeyUsage, encodeName, encodeTbsCertificate } from '@app/x509'

/** Whom the agents of a recovery hand their shares to: a key that is used once. */
export interface RecoveryRecipient {
  readonly privateKey: KeyObject
  /** DER, signed with the key itself. It vouches for nothing; the agents compare its fingerprint. */
  readonly certificate: Uint8Array
}

/** How a {@link RecoveryRecipient} is made. */
export interface RecipientOptions {
  /** What agents read beside the fingerprint. */
  readonly name: string
  /** As long as a recovery may last. */
  readonly validitySeconds: number
  readonly clock: Clock
  readonly entropy: Entropy
}

/** Makes an RSA-3072 key and a certificate for it with key usage keyEncipherment and nothing else. */
export async function makeRecoveryRecipient(options: RecipientOptions): Promise<RecoveryRecipient> {
  const { privateKey } = await generateKeyPairOf('rsa-3072')
  const signer = signerOf(privateKey)
  const subject = encodeName([[{ type: OID.id_at_commonName, value: options.name }]])
  const now = options.clock.now().getTime()
  const serialNumber = options.entropy.bytes(16)
  // Positive, and as long as it is said to be (RFC 5280, 4.1.2.2).
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x3f) | 0x40
  const tbs = encodeTbsCertificate({
    serialNumber,
    scheme: signer.scheme,
    issuer: subject,
    // Five minutes for clocks that differ.
    notBefore: new Date(now - 300_000),
    notAfter: new Date(now + options.validitySeconds * 1000),
    subject,
    publicKey: signer.publicKey.raw,
    extensions: [{ oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['keyEncipherment']) }]
  })
  return { privateKey, certificate: encodeCertificate(tbs, signer.scheme, await signer.sign(tbs)) }
}
