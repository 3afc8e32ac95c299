import { AppError, equalBytes } from '@app/core'
import {
  DerReader,
  encodeBitString,
  encodeContext,
  encodeInteger,
  encodeSequence,
  encodeTime,
  TAG,
  type DerLimits
} from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, type AlgorithmIdentifier } from './algorithm.js'
import { decodeRfc5280Time, decodeSerialNumber, decodeSignatureBits, serialHexOf } from './certificate.js'
import { CrlEntryList, type NewCrlEntry } from './crl-entry-list.js'
import { decodeExtensions, encodeExtensions, findExtension, type Extension } from './extension.js'
import { decodeCrlReason, type CrlReason } from './identifier-extension.js'
import { decodeName, type Name } from './name.js'
import type { PublicKeyInfo } from './public-key.js'
import { encodeSignatureAlgorithm, verifyIssuerSignature, type SignatureScheme } from './signature.js'

/** One revoked certificate of a CRL as received. */
export interface CrlEntry {
  /** Content octets of the INTEGER. */
  readonly serialNumber: Uint8Array
  /** As `Certificate.serialHex`. */
  readonly serialHex: string
  readonly revokedAt: Date
  /** Absent when the CRL gives none. */
  readonly reason?: CrlReason
  readonly extensions: readonly Extension[]
}

/** A certificate revocation list as received. */
export interface CertificateList {
  readonly raw: Uint8Array
  /** The TBSCertList element: the bytes that are signed. */
  readonly tbs: Uint8Array
  readonly issuer: Name
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
  readonly entries: readonly CrlEntry[]
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

/** Room for about a million entries; a CRL is read only from sources that are trusted to be of reasonable size. */
export const CRL_LIMITS: DerLimits = { maxDepth: 24, maxBytes: 64 * 1024 * 1024, maxElements: 20_000_000 }

/**
 * Reads a CRL strictly; verifies no signature and judges no time. Throws `x509_structure` for what breaks RFC 5280:
 * extensions in a version other than v2, differing signature algorithms, an empty list of entries, a serial number out of
 * bounds; a `der_…` code for broken syntax.
 *
 * ```asn1
 * CertificateList ::= SEQUENCE {
 *   tbsCertList         TBSCertList,
 *   signatureAlgorithm  AlgorithmIdentifier,
 *   signatureValue      BIT STRING }
 * TBSCertList ::= SEQUENCE {
 *   version              INTEGER { v2(1) } OPTIONAL,
 *   signature            AlgorithmIdentifier,
 *   issuer               Name,
 *   thisUpdate           Time,
 *   nextUpdate           Time OPTIONAL,
 *   revokedCertificates  SEQUENCE OF SEQUENCE {
 *     userCertificate     INTEGER,
 *     revocationDate      Time,
 *     crlEntryExtensions  Extensions OPTIONAL } OPTIONAL,
 *   crlExtensions        [0] EXPLICIT Extensions OPTIONAL }
 * ```
 * RFC 5280, 5.1.
 */
export function decodeCrl(bytes: Uint8Array, limits: DerLimits = CRL_LIMITS): CertificateList {
  const reader = DerReader.over(bytes, limits)
  const outer = reader.sequence('CRL')
  const { raw } = outer
  const body = outer.sequence('TBSCertList')
  const isV2 = body.nextTag === TAG.integer
  if (isV2 && body.smallInteger('CRL version') !== 1) {
    throw new AppError('x509_structure', 'The CRL has an unknown version.')
  }
  const inner = decodeAlgorithmIdentifier(body, 'CRL signature algorithm')
  const issuer = decodeName(body, 'CRL issuer')
  const thisUpdate = decodeRfc5280Time(body, 'thisUpdate')
  const hasNextUpdate = body.nextTag === TAG.utcTime || body.nextTag === TAG.generalizedTime
  const next = hasNextUpdate ? { nextUpdate: decodeRfc5280Time(body, 'nextUpdate') } : {}
  const entries = body.nextTag === TAG.sequence ? decodeEntries(body, isV2) : []
  const field = body.optionalExplicit(0, 'CRL extensions')
  const extensions = field === undefined ? [] : decodeExtensions(field, 'CRL extensions')
  field?.end('CRL extensions')
  body.end('TBSCertList')
  if (field !== undefined && !isV2) throw new AppError('x509_structure', 'A v1 CRL has extensions.')
  const signatureAlgorithm = decodeAlgorithmIdentifier(outer, 'CRL signature algorithm')
  const signature = decodeSignatureBits(outer, 'CRL signature')
  outer.end('CRL')
  reader.end('CRL')
  if (!equalBytes(inner.raw, signatureAlgorithm.raw)) {
    throw new AppError('x509_structure', 'The CRL names two different signature algorithms.', {
      inside: inner.oid,
      outside: signatureAlgorithm.oid
    })
  }
  const signed = { raw, tbs: body.raw, signatureAlgorithm, signature }
  return { ...signed, issuer, thisUpdate, ...next, entries, extensions }
}

function decodeEntries(body: DerReader, isV2: boolean): CrlEntry[] {
  const entries = body.sequence('revokedCertificates').each(list => decodeEntry(list, isV2))
  if (entries.length === 0) throw new AppError('x509_structure', 'The CRL has an empty list of entries.')
  return entries
}

function decodeEntry(list: DerReader, isV2: boolean): CrlEntry {
  const body = list.sequence('CRL entry')
  const serialNumber = decodeSerialNumber(body, 'serial number of a CRL entry')
  const revokedAt = decodeRfc5280Time(body, 'revocationDate')
  const extensions = body.isEnd ? [] : decodeExtensions(body, 'CRL entry extensions')
  body.end('CRL entry')
  if (extensions.length > 0 && !isV2) throw new AppError('x509_structure', 'An entry of a v1 CRL has extensions.')
  const entry = { serialNumber, serialHex: serialHexOf(serialNumber), revokedAt, extensions }
  const reason = findExtension(entry, OID.id_ce_cRLReasons)
  return reason === undefined ? entry : { ...entry, reason: decodeCrlReason(reason.value) }
}

/** What a CRL is to say. */
export interface TbsCrlParts {
  readonly scheme: SignatureScheme
  /** A Name element. */
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** In the order of the CRL. */
  readonly entries: Iterable<NewCrlEntry> | CrlEntryList
  /** As RFC 5280 (5.2) demands at least authorityKeyIdentifier and cRLNumber. */
  readonly extensions: readonly Extension[]
}

/** The TBSCertList of a v2 CRL: the bytes to sign. Throws `x509_structure` for repeated or no extensions. */
export function encodeTbsCrl(parts: TbsCrlParts): Uint8Array {
  const list = parts.entries instanceof CrlEntryList ? parts.entries : CrlEntryList.of(parts.entries)
  const entries = list.encoded
  return encodeSequence(
    encodeInteger(1),
    encodeSignatureAlgorithm(parts.scheme),
    parts.issuer,
    encodeTime(parts.thisUpdate),
    encodeTime(parts.nextUpdate),
    entries.length === 0 ? entries : encodeSequence(entries),
    encodeContext(0, encodeExtensions(parts.extensions))
  )
}

/** A CRL from its signed part, with the scheme named in it and the signature over it. */
export function encodeCrl(tbs: Uint8Array, scheme: SignatureScheme, signature: Uint8Array): Uint8Array {
  return encodeSequence(tbs, encodeSignatureAlgorithm(scheme), encodeBitString(signature))
}

/** Checks that a key signed the CRL. Throws `chain_invalid`; SHA-1 is not accepted unless `allowSha1`. */
export function verifyCrlSignature(
  crl: CertificateList,
  issuerPublicKey: PublicKeyInfo,
  options: { readonly allowSha1?: boolean } = {}
): void {
  const { signatureAlgorithm, tbs: data, signature } = crl
  verifyIssuerSignature({ publicKey: issuerPublicKey, signatureAlgorithm, data, signature, ...options }, 'CRL')
}
