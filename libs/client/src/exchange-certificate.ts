import { AppError } from '@app/core'
import { decodePem } from '@app/der'
import { judgeExchangeCertificate } from '@app/escrow'
import { decodeCertificate, type Certificate } from '@app/x509'
import { verifyChain } from './chain.js'

/** A certificate as a caller has it: DER, or PEM whose first block it is and whose others lie between it and the root. */
export type CertificateInput = Uint8Array | string

/** The certificates of an input, DER each, the one it is about first. Throws `pem_invalid` for text without any. */
export function certificatesIn(input: CertificateInput): readonly Uint8Array[] {
  if (typeof input !== 'string' && input[0] === 0x30) return [input]
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  const found = decodePem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ bytes }) => bytes)
  if (found.length === 0) {
    throw new AppError('pem_invalid', 'The input is neither a certificate in DER nor PEM with a certificate.')
  }
  return found
}

/**
 * The certificate that a private key may be encrypted to: it chains to the pinned trust, is within its validity, has key
 * usage keyEncipherment, extended key usage szOID_KP_CA_EXCHANGE and an RSA key that is not weak (MS-WCCE
 * 3.2.1.4.3.2.15). Whoever is fooled here gives his private key away, so there is no way around it.
 * @param certificates DER, the exchange certificate first
 * Throws `chain_invalid` with the reason.
 */
export async function getTrustedExchangeCertificate(
  certificates: readonly Uint8Array[],
  trust: string,
  at: Date
): Promise<Certificate> {
  const [first, ...between] = certificates
  if (first === undefined) throw new AppError('invalid_argument', 'There is no exchange certificate.')
  const certificate = decodeCertificate(first)
  const judgement = judgeExchangeCertificate(certificate, at)
  if (!judgement.usable) {
    throw new AppError(
      'chain_invalid',
      `The private key is not encrypted to this exchange certificate: ${judgement.detail} Fetch the current one from the CA.`,
      { fault: judgement.fault, serialNumber: certificate.serialHex }
    )
  }
  await verifyChain(trust, [first, ...between], at)
  return certificate
}
