import type { KeyUsage } from '@app/x509'
import type { CertificateTemplate, KeyAlgorithm } from './certificate-template.js'

const SIGNING: readonly KeyUsage[] = ['digitalSignature', 'nonRepudiation', 'keyCertSign', 'cRLSign']

/**
 * What keys of each kind are able to do: RSA transports keys (RFC 3279, 2.3.1), a curve agrees on them (RFC 5480, 3),
 * Ed25519 only signs (RFC 8410, 5).
 */
export const KEY_USAGES_OF_ALGORITHM: Readonly<Record<'rsa' | 'ec' | 'ed25519', readonly KeyUsage[]>> = {
  rsa: [...SIGNING, 'keyEncipherment', 'dataEncipherment'],
  ec: [...SIGNING, 'keyAgreement', 'encipherOnly', 'decipherOnly'],
  ed25519: SIGNING
}

/**
 * The key usage of a certificate: what the template grants and the key is able to do (MS-WCCE 3.2.2.6.2.1.4.4.4).
 * Empty when the key can do nothing that the template is for.
 */
export function keyUsageFor(template: CertificateTemplate, algorithm: 'rsa' | 'ec' | 'ed25519'): KeyUsage[] {
  const able = KEY_USAGES_OF_ALGORITHM[algorithm]
  const granted = template.keyUsage.filter(usage => able.includes(usage))
  const essential = granted.filter(usage => usage !== 'encipherOnly' && usage !== 'decipherOnly')
  return essential.length === 0 ? [] : granted
}

/** The name that templates give a key's kind; undefined for a curve that no template can allow. */
export function keyAlgorithmName(key: {
  readonly algorithm: 'rsa' | 'ec' | 'ed25519'
  readonly curve?: 'P-256' | 'P-384' | 'P-521'
}): KeyAlgorithm | undefined {
  return key.algorithm === 'ec' ? key.curve : key.algorithm
}
