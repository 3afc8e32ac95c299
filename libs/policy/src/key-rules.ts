import { AppError } from '@app/core'
import { keyAlgorithmName, type CertificateTemplate } from '@app/templates'
import type { PublicKeyInfo } from '@app/x509'
import type { RequestToJudge } from './request-to-judge.js'

const MIN_EXPONENT = 65_537n

/**
 * Checks the requested key and its proof against the template. Throws `key_algorithm_denied`, `key_too_small`,
 * `public_key_unsupported` for an exponent that invites attacks, or `legacy_digest_denied`.
 */
export function requireAllowedKey(template: CertificateTemplate, request: RequestToJudge): void {
  requireAlgorithm(template, request.publicKey)
  requireStrength(template, request.publicKey)
  if (request.proof.digest === 'sha1' && !template.allowSha1ProofOfPossession) {
    throw new AppError(
      'legacy_digest_denied',
      `The proof of possession uses SHA-1, which the template ${template.name} does not allow; sign with SHA-256.`,
      { template: template.name }
    )
  }
}

function requireAlgorithm(template: CertificateTemplate, key: PublicKeyInfo): void {
  const algorithm = keyAlgorithmName(key)
  if (algorithm !== undefined && template.keyAlgorithms.includes(algorithm)) return
  throw new AppError(
    'key_algorithm_denied',
    `The template ${template.name} allows keys of ${template.keyAlgorithms.join(', ')}, not of ${algorithm}.`,
    { template: template.name, algorithm }
  )
}

function requireStrength(template: CertificateTemplate, key: PublicKeyInfo): void {
  if (key.algorithm !== 'rsa') return
  if (key.bits < template.minimalKeySize) {
    throw new AppError(
      'key_too_small',
      `The key has ${key.bits} bits; the template ${template.name} demands ${template.minimalKeySize}.`,
      { template: template.name, bits: key.bits, demanded: template.minimalKeySize }
    )
  }
  if (key.publicExponent === undefined || key.publicExponent < MIN_EXPONENT) {
    throw new AppError(
      'public_key_unsupported',
      `The RSA key has the public exponent ${key.publicExponent}; make one with 65537.`,
      { exponent: String(key.publicExponent) }
    )
  }
}
