import type { PKCS8ShroudedKeyBag } from 'pkijs'

type EncryptionParameters = Parameters<PKCS8ShroudedKeyBag['makeInternalValues']>[0]

/** How private keys and certificates are encrypted under a password: PBES2 (RFC 8018, 6.2), as OWASP advises in 2023. */
export const PBES2 = {
  contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 } as EncryptionParameters['contentEncryptionAlgorithm'],
  hmacHashAlgorithm: 'SHA-256',
  iterationCount: 600_000
}

/** A password as pkijs takes it: UTF-8, in memory of its own. */
export function passwordBytes(password: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(password, 'utf8')).buffer
}
