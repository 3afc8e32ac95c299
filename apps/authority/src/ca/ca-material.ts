import { createHash } from 'node:crypto'
import { AppError, equalBytes, isAppError } from '@app/core'
import type { KeySpec } from '@app/keys'
import type { CaSigningCertificate } from '@app/storage'
import { formatName, verifyCertificateSignature, type Certificate, type PublicKeyInfo } from '@app/x509'

/** A year of a CA certificate, in seconds. */
export const yearSeconds = 365 * 86_400

const longestChain = 8

/** What the key store names the keys of a CA after. */
export function keyLabel(caName: string): string {
  const label = caName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 57)
  return label === '' ? 'ca' : `ca-${label}`
}

/** The kind of a CA's key; undefined for one that is not made here, such as RSA with 2560 bits. */
export function keySpecOf({ algorithm, bits, curve }: PublicKeyInfo): KeySpec | undefined {
  switch (algorithm) {
    case 'ed25519':
      return 'ed25519'
    case 'ec':
      return curve === undefined ? undefined : (curve.toLowerCase() as KeySpec)
    case 'rsa':
      return bits === 2048 || bits === 3072 || bits === 4096 ? `rsa-${bits}` : undefined
  }
}

/** A CA certificate as it is recorded, with its parents, the nearest first. */
export function signingCertificate(
  certificate: Certificate,
  chain: readonly Certificate[]
): Buffers<CaSigningCertificate> {
  return {
    certificate: Buffer.from(certificate.raw),
    chain: chain.map(parent => Buffer.from(parent.raw)),
    subject: formatName(certificate.subject),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    sha1: createHash('sha1').update(certificate.raw).digest()
  }
}

type Buffers<T> = {
  readonly [K in keyof T]: T[K] extends Uint8Array
    ? Buffer
    : T[K] extends readonly Uint8Array[]
      ? readonly Buffer[]
      : T[K]
}

/**
 * The certificate for this key first, then its parents up to a self-signed root, each verified with the next. Of several
 * for the key the one that lasts longest, of several parents a root. Throws `ca_certificate_invalid`.
 */
export function orderedChain(
  certificates: readonly Certificate[],
  publicKey: PublicKeyInfo
): [Certificate, ...Certificate[]] {
  const [own] = certificates
    .filter(candidate => equalBytes(candidate.publicKey.raw, publicKey.raw))
    .toSorted((one, other) => other.notAfter.getTime() - one.notAfter.getTime())
  if (own === undefined) {
    throw new AppError('ca_certificate_invalid', 'None of the certificates is for the key of this CA.')
  }
  const chain: [Certificate, ...Certificate[]] = [own]
  for (let child = own; !isSelfIssued(child);) {
    const { issuer } = child
    const named = certificates.filter(({ subject }) => equalBytes(subject.raw, issuer.raw))
    const [first] = named
    if (first === undefined || chain.length > longestChain) {
      throw new AppError(
        'ca_certificate_invalid',
        `The certificate of ${formatName(issuer)} is missing. Give all certificates up to the root, in one file.`
      )
    }
    const signers = named.filter(candidate => isSignedBy(child, candidate))
    const parent = signers.find(isSelfIssued) ?? signers[0]
    // With a reason, in the words of the verification.
    if (parent === undefined) verifyCertificateSignature(child, first.publicKey)
    child = parent ?? first
    chain.push(child)
  }
  return chain
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return equalBytes(issuer.raw, subject.raw)
}

function isSignedBy(certificate: Certificate, { publicKey }: Certificate): boolean {
  try {
    verifyCertificateSignature(certificate, publicKey)
    return true
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}
