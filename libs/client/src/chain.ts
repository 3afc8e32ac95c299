import { AppError, attempt, isAppError } from '@app/core'
import { decodePem } from '@app/der'
import { decodeCertificate, findCertificationPath, type Certificate } from '@app/x509'

/** What else is asked of a chain. */
export interface ChainOptions {
  /** An extended key usage that the first certificate must have when it has any, in dotted decimal. */
  readonly purpose?: string
  /** Whether signatures with SHA-1 and RSA keys below 2048 bits count, as old CAs made them. */
  readonly allowLegacy?: boolean
}

/**
 * Verifies that a certificate chains to one of the trusted roots at the given time (RFC 5280, 6; see
 * `findCertificationPath`). Of what may lie between, what cannot be read is passed over.
 * @param trust PEM of the roots
 * @param certificates DER of the certificate and of whatever may lie between, in any order; the certificate first
 * Throws `chain_invalid` with the reason.
 */
export async function verifyChain(
  trust: string,
  certificates: readonly Uint8Array[],
  at: Date,
  options: ChainOptions = {}
): Promise<void> {
  const [first = new Uint8Array(), ...others] = certificates
  try {
    const trusted = readable(decodePem(trust).map(({ bytes }) => bytes))
    findCertificationPath(decodeCertificate(first), { ...options, intermediates: readable(others), trusted, at })
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError(
      'chain_invalid',
      `The certificate does not chain to the trusted root: ${cause.message} Trust the root of the CA that signed it.`,
      {},
      { cause }
    )
  }
}

function readable(certificates: readonly Uint8Array[]): readonly Certificate[] {
  return certificates.flatMap(bytes => attempt(() => decodeCertificate(bytes)) ?? [])
}
