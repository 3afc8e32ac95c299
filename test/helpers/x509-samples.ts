import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import { isAppError, type ErrorCode } from '@app/core'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  decodePublicKey,
  digestOfScheme,
  encodeBasicConstraints,
  encodeCertificate,
  encodeName,
  encodeTbsCertificate,
  parseDistinguishedName,
  schemeFor,
  type CertificationRequestParts,
  type PublicKeyInfo,
  type SignatureScheme,
  type TbsCertificateParts
} from '@app/x509'
import { readVector } from './vectors.js'

/** The bytes of a real Microsoft message. */
export function readAdcsVector(name: string): Uint8Array {
  return readVector(`adcs/${name}`)
}

/** A private key and what is needed to sign with it. */
export interface SampleKey {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKeyInfo
  readonly scheme: SignatureScheme
}

/** The kinds of keys that {@link sampleKey} makes. */
export const SAMPLE_KEY_KINDS = ['rsa', 'P-256', 'P-384', 'P-521', 'ed25519'] as const

/** One of {@link SAMPLE_KEY_KINDS}. */
export type SampleKeyKind = (typeof SAMPLE_KEY_KINDS)[number]

const keys = new Map<SampleKeyKind, SampleKey>()

/** A key of the kind, the same for every call in one test file. */
export function sampleKey(kind: SampleKeyKind): SampleKey {
  const known = keys.get(kind)
  if (known !== undefined) return known
  const made = toSampleKey(generate(kind))
  keys.set(kind, made)
  return made
}

function generate(kind: SampleKeyKind): KeyObject {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('ec', { namedCurve: kind }).privateKey
}

/** What is needed to sign with a private key. */
export function toSampleKey(privateKey: KeyObject): SampleKey {
  const publicKey = decodePublicKey(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  return { privateKey, publicKey, scheme: schemeFor(publicKey) }
}

/** A signature by the scheme; ECDSA as DER. */
export function signSample(key: SampleKey, data: Uint8Array, scheme: SignatureScheme = key.scheme): Uint8Array {
  return sign(scheme === 'ed25519' ? null : digestOfScheme(scheme), data, key.privateKey)
}

/** A Name from its text. */
export function nameOf(text: string): Uint8Array {
  return encodeName(parseDistinguishedName(text))
}

/** A certificate; self-signed, a CA, serial number 1, of the year 2025, unless told. */
export function buildSampleCertificate(
  key: SampleKey,
  parts: Partial<TbsCertificateParts> = {},
  issuer = key
): Uint8Array {
  const tbs = encodeTbsCertificate({
    serialNumber: Uint8Array.of(1),
    scheme: issuer.scheme,
    issuer: nameOf('CN=Sample CA,O=Sample,C=DE'),
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2025-12-31T23:59:59Z'),
    subject: nameOf('CN=Sample CA,O=Sample,C=DE'),
    publicKey: key.publicKey.raw,
    extensions: [{ oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) }],
    ...parts
  })
  return encodeCertificate(tbs, issuer.scheme, signSample(issuer, tbs))
}

/** A PKCS#10 with no attributes for `CN=Sample`, unless told. */
export function buildSampleRequest(
  key: SampleKey,
  parts: Partial<CertificationRequestParts> = {}
): Promise<Uint8Array> {
  const subject = nameOf('CN=Sample')
  const all = { subject, publicKey: key.publicKey.raw, attributes: [], ...parts }
  return buildCertificationRequest(all, key.scheme, info => Promise.resolve(signSample(key, info)))
}

/** The code of the program's error that an action throws, undefined when it throws none; others pass through. */
export function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

/** The bytes with up to eight of them changed, and perhaps cut or with bytes added. */
export function mutationsOf(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat({ max: bytes.length - 1 }), value: fc.nat({ max: 255 }) })
  const cut = fc.oneof({ weight: 4, arbitrary: fc.constant(bytes.length) }, fc.nat({ max: bytes.length }))
  return fc
    .record({ changes: fc.array(change, { maxLength: 8 }), cut, tail: fc.uint8Array({ maxLength: 2 }) })
    .map(({ changes, cut, tail }) => {
      const mutated = Buffer.from(bytes)
      for (const { at, value } of changes) mutated[at] = value
      return Buffer.concat([mutated.subarray(0, cut), cut === bytes.length ? new Uint8Array() : tail])
    })
}
