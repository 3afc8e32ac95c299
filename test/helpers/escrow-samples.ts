import {
  checkPrimeSync,
  createPrivateKey,
  generateKeyPairSync,
  generatePrimeSync,
  randomBytes,
  type KeyObject
} from 'node:crypto'
import { isAppError, type Entropy } from '@app/core'
import { encodeInteger, encodeNull, encodeOctetString, encodeOid, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodePublicKey,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  type Certificate,
  type Extension,
  type KeyUsage,
  type PublicKeyInfo
} from '@app/x509'
import { buildSampleCertificate, nameOf, toSampleKey } from './x509-samples.js'

/** Randomness for what no assertion depends on. */
export const freshEntropy: Entropy = { bytes: length => randomBytes(length) }

/** An RSA key pair's numbers. */
export interface RsaNumbers {
  readonly n: bigint
  readonly e: bigint
  readonly d: bigint
  readonly p: bigint
  readonly q: bigint
  readonly dp: bigint
  readonly dq: bigint
  readonly qInverse: bigint
}

/** The numbers of a private key, as node:crypto tells them. */
export function rsaNumbersOf(privateKey: KeyObject): RsaNumbers {
  const jwk = privateKey.export({ format: 'jwk' }) as Readonly<Record<string, string>>
  const number = (name: string): bigint => BigInt(`0x${Buffer.from(jwk[name] ?? '', 'base64url').toString('hex')}`)
  const [n, e, d, p] = [number('n'), number('e'), number('d'), number('p')]
  return { n, e, d, p, q: number('q'), dp: number('dp'), dq: number('dq'), qInverse: number('qi') }
}

/** The numbers that belong to two factors, prime or not. */
export function rsaNumbersFrom(p: bigint, q: bigint, e = 65_537n): RsaNumbers {
  const [pLess, qLess] = [p - 1n, q - 1n]
  const d = invert(e, (pLess * qLess) / divisor(pLess, qLess))
  return { n: p * q, e, d, p, q, dp: d % pLess, dq: d % qLess, qInverse: invert(q, p) }
}

/** A prime p for which the usual exponents have an inverse modulo p - 1. */
export function somePrime(bits: number): bigint {
  for (;;) {
    const prime = generatePrimeSync(bits, { bigint: true })
    if ([65_537n, 0x1_0000_000fn].every(exponent => prime % exponent !== 1n)) return prime
  }
}

let closeKey: KeyObject | undefined

/** An RSA-2048 key whose second factor is the next prime after the first; the same for every call in one test file. */
export function closeFactorsKey(): KeyObject {
  if (closeKey !== undefined) return closeKey
  const p = somePrime(1024)
  let q = p + 2n
  while (!checkPrimeSync(q) || q % 65_537n === 1n) q += 2n
  const pkcs8 = Buffer.from(rsaPkcs8(rsaNumbersFrom(p, q)))
  closeKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  return closeKey
}

function divisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : divisor(b, a % b)
}

/** a^(m' - 1) would need the factors of m; this is Euclid. Throws when there is no inverse. */
function invert(a: bigint, m: bigint): bigint {
  const step = (r0: bigint, s0: bigint, r1: bigint, s1: bigint): bigint => {
    if (r1 === 0n) {
      if (r0 !== 1n) throw new RangeError('There is no inverse.')
      return ((s0 % m) + m) % m
    }
    return step(r1, s1, r0 % r1, s0 - (r0 / r1) * s1)
  }
  return step(a % m, 1n, m, 0n)
}

/** PKCS#8 of an RSA private key with these numbers, consistent or not. */
export function rsaPkcs8({ n, e, d, p, q, dp, dq, qInverse }: RsaNumbers): Uint8Array {
  const key = encodeSequence(...[0n, n, e, d, p, q, dp, dq, qInverse].map(number => encodeInteger(number)))
  const algorithm = encodeSequence(encodeOid(OID.rsaEncryption), encodeNull())
  return encodeSequence(encodeInteger(0), algorithm, encodeOctetString(key))
}

/** An RSA public key with these numbers. */
export function rsaPublicKey({ n, e }: Pick<RsaNumbers, 'n' | 'e'>): PublicKeyInfo {
  const key = encodeSequence(encodeInteger(n), encodeInteger(e))
  const bits = Buffer.concat([Uint8Array.of(0), key])
  const algorithm = encodeSequence(encodeOid(OID.rsaEncryption), encodeNull())
  const bitString = Buffer.concat([Uint8Array.of(0x03), lengthOf(bits.length), bits])
  return decodePublicKey(encodeSequence(algorithm, bitString))
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  return length < 0x100 ? Uint8Array.of(0x81, length) : Uint8Array.of(0x82, length >> 8, length & 0xff)
}

const rsaKeys: KeyObject[] = []

/** The RSA-2048 key of this number, the same for every call in one test file. */
export function sampleRsaKey(index: number): KeyObject {
  rsaKeys[index] ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return rsaKeys[index]
}

/** How a certificate for key transport is to differ from a recovery agent's. */
export interface TransportCertificateOptions {
  readonly serialNumber?: number
  readonly usages?: readonly KeyUsage[] | null
  readonly purposes?: readonly string[] | null
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly subjectKeyIdentifier?: Uint8Array
}

/** A self-signed certificate of a recovery agent, valid in 2025, unless told. */
export function transportCertificate(privateKey: KeyObject, options: TransportCertificateOptions = {}): Certificate {
  const key = toSampleKey(privateKey)
  const { usages = ['keyEncipherment'], purposes = [OID.szOID_KP_KEY_RECOVERY_AGENT] } = options
  const { serialNumber = 1, subjectKeyIdentifier = key.publicKey.keyId } = options
  const extensions: Extension[] = [
    { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(subjectKeyIdentifier) }
  ]
  if (usages !== null) extensions.push({ oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(usages) })
  if (purposes !== null) {
    extensions.push({ oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage(purposes) })
  }
  const raw = buildSampleCertificate(key, {
    serialNumber: Uint8Array.of(serialNumber),
    subject: nameOf(`CN=Agent ${serialNumber}`),
    notBefore: options.notBefore ?? new Date('2025-01-01T00:00:00Z'),
    notAfter: options.notAfter ?? new Date('2025-12-31T23:59:59Z'),
    extensions
  })
  return decodeCertificate(raw)
}

/** What an action that must fail says: code, words, evidence and cause, for comparison. */
export async function complaintOf(action: () => unknown): Promise<string> {
  try {
    await action()
    return 'no error'
  } catch (error) {
    if (!isAppError(error)) throw error
    return JSON.stringify([error.code, error.message, error.evidence, String(error.cause)])
  }
}

/** The code of the error that an action fails with, undefined when it does not; other errors pass through. */
export async function rejectionOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}
