import { constants, privateDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import { AppError } from '@app/core'
import { DerReader, encodeContext, encodeNull, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeAlgorithmIdentifier,
  decodeDigestName,
  digestOid,
  encodeAlgorithmIdentifier,
  hasNullOrNoParameters,
  type AlgorithmIdentifier,
  type DigestName
} from '@app/x509'

/** How a content-encryption key is encrypted to an RSA key. With OAEP the digest is also that of MGF1, the label empty. */
export type KeyTransport =
  { readonly scheme: 'rsaes-pkcs1-v1_5' } | { readonly scheme: 'rsaes-oaep'; readonly digest: DigestName }

/**
 * The key transport that an algorithm identifier stands for (RFC 3370, 4.2.1; RFC 3560, 3).
 * Throws `cms_algorithm_not_allowed` for every other algorithm and for OAEP parameters that are not supported.
 *
 * ```asn1
 * RSAES-OAEP-params ::= SEQUENCE {
 *   hashAlgorithm     [0] HashAlgorithm     DEFAULT sha1,
 *   maskGenAlgorithm  [1] MaskGenAlgorithm  DEFAULT mgf1SHA1,
 *   pSourceAlgorithm  [2] PSourceAlgorithm  DEFAULT pSpecifiedEmpty }
 * ```
 * RFC 8017, A.2.1. A default that is written out is accepted, since RFC 4055 (3.1) writes of both forms as equal.
 */
export function decodeKeyTransport(algorithm: AlgorithmIdentifier): KeyTransport {
  if (algorithm.oid === OID.rsaEncryption) {
    if (!hasNullOrNoParameters(algorithm)) throw refused(algorithm.oid, 'rsaEncryption has parameters other than NULL')
    return { scheme: 'rsaes-pkcs1-v1_5' }
  }
  if (algorithm.oid !== OID.id_RSAES_OAEP) {
    throw refused(algorithm.oid, `${algorithm.oid} is not a key transport this program uses`)
  }
  if (algorithm.parameters === undefined) throw refused(algorithm.oid, 'RSAES-OAEP lacks its parameters')
  return { scheme: 'rsaes-oaep', digest: decodeOaepDigest(algorithm.parameters) }
}

/** The AlgorithmIdentifier of a key transport; OAEP parameters that have their default are left out, as DER demands. */
export function encodeKeyTransport(transport: KeyTransport): Uint8Array {
  if (transport.scheme === 'rsaes-pkcs1-v1_5') return encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull())
  if (transport.digest === 'sha1') return encodeAlgorithmIdentifier(OID.id_RSAES_OAEP, encodeSequence())
  const hash = encodeAlgorithmIdentifier(digestOid(transport.digest), encodeNull())
  const mask = encodeAlgorithmIdentifier(OID.id_mgf1, hash)
  return encodeAlgorithmIdentifier(OID.id_RSAES_OAEP, encodeSequence(encodeContext(0, hash), encodeContext(1, mask)))
}

/** Encrypts a content-encryption key to an RSA public key; the padding's randomness is OpenSSL's. */
export function wrapContentKey(publicKey: KeyObject, contentKey: Uint8Array, transport: KeyTransport): Uint8Array {
  return publicEncrypt({ key: publicKey, ...paddingOf(transport) }, contentKey)
}

/**
 * Decrypts a content-encryption key with an RSA private key. For RSAES-PKCS1-v1_5 a ciphertext that is not one gives
 * random bytes instead of an error (implicit rejection, Node 24); for OAEP it throws. The caller wipes the result and
 * lets nobody outside learn which of these happened: `openEnvelopedData` is that caller.
 */
export function unwrapContentKey(privateKey: KeyObject, encryptedKey: Uint8Array, transport: KeyTransport): Uint8Array {
  return privateDecrypt({ key: privateKey, ...paddingOf(transport) }, encryptedKey)
}

function paddingOf(transport: KeyTransport): { padding: number; oaepHash?: string } {
  return transport.scheme === 'rsaes-oaep'
    ? { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: transport.digest }
    : { padding: constants.RSA_PKCS1_PADDING }
}

function decodeOaepDigest(parameters: Uint8Array): DigestName {
  const message = DerReader.over(parameters)
  const reader = message.sequence('RSAES-OAEP-params')
  message.end('RSAES-OAEP-params')
  const hash = reader.optionalExplicit(0, 'hashAlgorithm')
  const mask = reader.optionalExplicit(1, 'maskGenAlgorithm')
  const source = reader.optionalExplicit(2, 'pSourceAlgorithm')
  reader.end('RSAES-OAEP-params')
  const digest = hash === undefined ? 'sha1' : readDigest(hash, 'hashAlgorithm')
  const maskDigest = mask === undefined ? 'sha1' : readMaskDigest(mask)
  if (source !== undefined) requireEmptyLabel(source)
  if (digest !== maskDigest) {
    throw refused(OID.id_RSAES_OAEP, `OAEP with ${digest} and MGF1 with ${maskDigest}; both must be the same digest`)
  }
  return digest
}

function readDigest(reader: DerReader, what: string): DigestName {
  const algorithm = decodeAlgorithmIdentifier(reader, what)
  reader.end(what)
  return decodeDigestName(algorithm, what)
}

function readMaskDigest(reader: DerReader): DigestName {
  const algorithm = decodeAlgorithmIdentifier(reader, 'maskGenAlgorithm')
  reader.end('maskGenAlgorithm')
  if (algorithm.oid !== OID.id_mgf1 || algorithm.parameters === undefined) {
    throw refused(algorithm.oid, 'the mask generation function of RSAES-OAEP is not MGF1 with a digest')
  }
  return readDigest(DerReader.over(algorithm.parameters), 'digest of MGF1')
}

function requireEmptyLabel(reader: DerReader): void {
  const algorithm = decodeAlgorithmIdentifier(reader, 'pSourceAlgorithm')
  reader.end('pSourceAlgorithm')
  const label = algorithm.parameters
  if (algorithm.oid !== OID.id_pSpecified || label?.length !== 2 || label[0] !== 0x04) {
    throw refused(algorithm.oid, 'the label of RSAES-OAEP is not empty')
  }
}

function refused(algorithm: string, why: string): AppError {
  return new AppError('cms_algorithm_not_allowed', `The key transport is not allowed: ${why}.`, { algorithm })
}
