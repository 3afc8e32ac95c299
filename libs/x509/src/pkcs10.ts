import { hash } from 'node:crypto'
import { AppError, equalBytes } from '@app/core'
import { contextTag, DerReader, encodeBitString, encodeInteger, encodeSequence, encodeSetOf, TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAlgorithmIdentifier,
  digestNameOf,
  DIGEST_LENGTHS,
  hasNullOrNoParameters,
  type AlgorithmIdentifier,
  type DigestName
} from './algorithm.js'
import { decodeAttributes, findAttribute, type Attribute, type AttributeReading } from './attribute.js'
import { decodeExtensions, type Extension } from './extension.js'
import { decodeName, type Name } from './name.js'
import { decodeSubjectPublicKeyInfo, type PublicKeyInfo } from './public-key.js'
import { encodeSignatureAlgorithm, verifySignature, type SignatureScheme } from './signature.js'

/** A PKCS#10 request as received. */
export interface CertificationRequest {
  readonly raw: Uint8Array
  /** The CertificationRequestInfo element: the bytes that are signed. */
  readonly info: Uint8Array
  readonly subject: Name
  readonly publicKey: PublicKeyInfo
  /** No type occurs twice, none is without a value. */
  readonly attributes: readonly Attribute[]
  /** Of the extension request attribute, by PKCS#9's or Microsoft's identifier; empty when there is none. */
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** The hash function of a null signature; absent on a signed request. */
  readonly nullSignature?: DigestName
}

/**
 * Reads a PKCS#10 strictly; does not verify its signature. Throws `pkcs10_structure` for a version other than 1, an
 * attribute that is repeated or empty or an extension request with several values, `x509_structure`,
 * `public_key_unsupported` or a `der_…` code for what is inside.
 *
 * `order: 'unchecked'` accepts attributes that do not ascend; the hash is over the received bytes either way. Every
 * Windows request on record has them in order, so this is only for forms whose clients are known not to sort.
 *
 * ```asn1
 * CertificationRequest ::= SEQUENCE {
 *   certificationRequestInfo  CertificationRequestInfo,
 *   signatureAlgorithm        AlgorithmIdentifier,
 *   signature                 BIT STRING }
 * CertificationRequestInfo ::= SEQUENCE {
 *   version        INTEGER { v1(0) },
 *   subject        Name,
 *   subjectPKInfo  SubjectPublicKeyInfo,
 *   attributes     [0] IMPLICIT SET OF Attribute }
 * ```
 * RFC 2986, 4.
 */
export function decodeCertificationRequest(
  bytes: Uint8Array,
  reading: Pick<AttributeReading, 'order'> = {}
): CertificationRequest {
  const reader = DerReader.over(bytes)
  const outer = reader.sequence('PKCS#10 request')
  const { raw } = outer
  const body = outer.sequence('CertificationRequestInfo')
  const info = body.raw
  const version = body.smallInteger('PKCS#10 version')
  if (version !== 0) throw new AppError('pkcs10_structure', 'The PKCS#10 request is not of version 1.', { version })
  const subject = decodeName(body, 'request subject')
  const publicKey = decodeSubjectPublicKeyInfo(body, 'request public key')
  const attributes = decodeAttributes(body, 'PKCS#10 attributes', { ...reading, tag: contextTag(0) })
  body.end('CertificationRequestInfo')
  requireDistinctAttributes(attributes)
  const signatureAlgorithm = decodeAlgorithmIdentifier(outer, 'PKCS#10 signature algorithm')
  const { unusedBits, bytes: signature } = outer.bitString('PKCS#10 signature')
  outer.end('PKCS#10 request')
  reader.end('PKCS#10 request')
  if (unusedBits !== 0) throw new AppError('pkcs10_structure', 'The PKCS#10 signature is not whole octets.')
  const extensions = decodeRequestedExtensions(attributes)
  const nullSignature = nullSignatureDigest(signatureAlgorithm, signature)
  const request = { raw, info, subject, publicKey, attributes, extensions, signatureAlgorithm, signature }
  return nullSignature === undefined ? request : { ...request, nullSignature }
}

function requireDistinctAttributes(attributes: readonly Attribute[]): void {
  const seen = new Set<string>()
  for (const { oid, values } of attributes) {
    if (seen.has(oid)) {
      throw new AppError('pkcs10_structure', `Attribute ${oid} occurs twice in the PKCS#10 request.`, { oid })
    }
    if (values.length === 0) {
      throw new AppError('pkcs10_structure', `Attribute ${oid} of the PKCS#10 request has no value.`, { oid })
    }
    seen.add(oid)
  }
}

/** A request with both identifiers is read as one list, so that no extension can be given twice. */
function decodeRequestedExtensions(attributes: readonly Attribute[]): Extension[] {
  const extensions: Extension[] = []
  for (const oid of [OID.extensionRequest, OID.szOID_CERT_EXTENSIONS]) {
    const attribute = findAttribute(attributes, oid)
    if (attribute === undefined) continue
    const [value, ...others] = attribute.values
    if (value === undefined || others.length > 0) {
      throw new AppError('pkcs10_structure', `The extension request ${oid} must have one value.`, {
        oid,
        values: attribute.values.length
      })
    }
    const reader = DerReader.over(value)
    extensions.push(...decodeExtensions(reader, 'requested extensions'))
    reader.end('requested extensions')
  }
  if (new Set(extensions.map(extension => extension.oid)).size !== extensions.length) {
    throw new AppError('x509_structure', 'An extension occurs in both extension requests of the PKCS#10 request.')
  }
  return extensions
}

/**
 * Microsoft's null signature has a hash function as its signature algorithm (MS-WCCE 2.2.2.6.5); the standard's has
 * id-alg-noSignature with a hash that RFC 5272 (C.1) does not name, so its length decides.
 */
function nullSignatureDigest(algorithm: AlgorithmIdentifier, signature: Uint8Array): DigestName | undefined {
  if (!hasNullOrNoParameters(algorithm)) return undefined
  if (algorithm.oid !== OID.id_alg_noSignature) return digestNameOf(algorithm.oid)
  const { length } = nullSignatureHash(algorithm, signature)
  const lengths = Object.entries(DIGEST_LENGTHS) as [DigestName, number][]
  return lengths.find(([, octets]) => octets === length)?.[0]
}

/** The hash inside a null signature: RFC 5272 (C.1) has it as an OCTET STRING or, as Windows writes it, bare. */
function nullSignatureHash(algorithm: AlgorithmIdentifier, signature: Uint8Array): Uint8Array {
  const isWrapped =
    algorithm.oid === OID.id_alg_noSignature &&
    signature[0] === TAG.octetString &&
    signature[1] === signature.length - 2
  return isWrapped ? signature.subarray(2) : signature
}

/**
 * Verifies the proof of possession of a PKCS#10 that stands alone. Throws `pkcs10_null_signature` when it has none,
 * `pkcs10_signature_invalid` when it is wrong, `cms_algorithm_not_allowed` for an algorithm that is not accepted, which
 * includes SHA-1 unless `allowSha1`. Returns the hash function that was signed with.
 */
export function verifyCertificationRequest(
  request: CertificationRequest,
  options: { readonly allowSha1?: boolean } = {}
): { readonly digest: DigestName } {
  if (request.nullSignature !== undefined) {
    throw new AppError('pkcs10_null_signature', 'The PKCS#10 request has a hash in the place of its signature.', {
      digest: request.nullSignature
    })
  }
  const { publicKey, signatureAlgorithm, info: data, signature } = request
  const { digest, valid } = verifySignature({ publicKey, signatureAlgorithm, data, signature, ...options })
  if (!valid) {
    throw new AppError('pkcs10_signature_invalid', 'The PKCS#10 request is not signed with the key it asks for.', {
      algorithm: signatureAlgorithm.oid
    })
  }
  return { digest }
}

/**
 * Checks that a null signature is the hash of the request info. It proves nothing about the key: it is for requests
 * inside of a CMS or CMC message whose own signature does (MS-WCCE 2.2.2.6.5). Throws `pkcs10_signature_invalid` when
 * the hash is another, `pkcs10_null_signature` when the request is signed.
 */
export function verifyNullSignature(request: CertificationRequest): { readonly digest: DigestName } {
  const digest = request.nullSignature
  if (digest === undefined) {
    throw new AppError('pkcs10_null_signature', 'The PKCS#10 request is signed where a null signature is looked for.')
  }
  const found = nullSignatureHash(request.signatureAlgorithm, request.signature)
  if (!equalBytes(hash(digest, request.info, 'buffer'), found)) {
    throw new AppError('pkcs10_signature_invalid', 'The null signature is not the hash of the PKCS#10 request.', {
      digest
    })
  }
  return { digest }
}

/** What a PKCS#10 asks for; all parts are whole elements. */
export interface CertificationRequestParts {
  /** A Name. */
  readonly subject: Uint8Array
  /** A SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array
  /** Attribute elements, in any order. */
  readonly attributes: readonly Uint8Array[]
}

/** A signed PKCS#10. `sign` is given the CertificationRequestInfo and answers the signature (ECDSA as DER). */
export async function buildCertificationRequest(
  parts: CertificationRequestParts,
  scheme: SignatureScheme,
  sign: (info: Uint8Array) => Promise<Uint8Array>
): Promise<Uint8Array> {
  const info = encodeSequence(
    encodeInteger(0),
    parts.subject,
    parts.publicKey,
    encodeSetOf(parts.attributes, contextTag(0))
  )
  return encodeSequence(info, encodeSignatureAlgorithm(scheme), encodeBitString(await sign(info)))
}
