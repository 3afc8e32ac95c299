import { createHash } from 'node:crypto'
import { AppError, equalBytes } from '@app/core'
import { DerReader, encodeNull, encodeOctetString, encodeSequence, encodeTlv, TAG } from '@app/der'
import {
  decodeAlgorithmIdentifier,
  digestNameOf,
  digestOid,
  encodeAlgorithmIdentifier,
  hasNullOrNoParameters,
  type DigestName
} from './algorithm.js'
import type { Certificate } from './certificate.js'

/** Names a certificate in an OCSP message: its issuer by two hash values, and its serial number. */
export interface OcspCertId {
  /** The CertID element as received. */
  readonly raw: Uint8Array
  /** Undefined for a hash function that is not computed here. */
  readonly digest: DigestName | undefined
  readonly issuerNameHash: Uint8Array
  readonly issuerKeyHash: Uint8Array
  /** Content octets of the INTEGER, 1 to 20; perhaps one that no certificate has. */
  readonly serialNumber: Uint8Array
}

const MAX_SERIAL_OCTETS = 20

/**
 * Reads a CertID. Throws `x509_structure` for a serial number of more than 20 octets, a `der_…` code for broken syntax.
 *
 * ```asn1
 * CertID ::= SEQUENCE {
 *   hashAlgorithm   AlgorithmIdentifier,
 *   issuerNameHash  OCTET STRING,
 *   issuerKeyHash   OCTET STRING,
 *   serialNumber    CertificateSerialNumber }
 * ```
 * RFC 6960, 4.1.1.
 */
export function decodeOcspCertId(reader: DerReader): OcspCertId {
  const body = reader.sequence('CertID')
  const { raw } = body
  const algorithm = decodeAlgorithmIdentifier(body, 'CertID hash algorithm')
  const issuerNameHash = body.octetString('issuerNameHash')
  const issuerKeyHash = body.octetString('issuerKeyHash')
  const serialNumber = body.integerContent('CertID serial number')
  body.end('CertID')
  if (serialNumber.length > MAX_SERIAL_OCTETS) {
    throw new AppError('x509_structure', 'The serial number of a CertID has more than 20 octets.', {
      octets: serialNumber.length
    })
  }
  const digest = hasNullOrNoParameters(algorithm) ? digestNameOf(algorithm.oid) : undefined
  return { raw, digest, issuerNameHash, issuerKeyHash, serialNumber }
}

/** What CertIDs say of an issuer by one hash function. */
export interface OcspIssuer {
  readonly nameHash: Uint8Array
  readonly keyHash: Uint8Array
}

/**
 * The hash values of an issuer: of its Name element, and of the content of its key's BIT STRING without the count of
 * unused bits (RFC 6960, 4.1.1).
 */
export function ocspIssuerOf(issuer: Pick<Certificate, 'subject' | 'publicKey'>, digest: DigestName): OcspIssuer {
  const key = DerReader.over(issuer.publicKey.raw).sequence('issuer key')
  key.any('issuer key algorithm')
  const { bytes } = key.bitString('issuer key bits')
  return {
    nameHash: createHash(digest).update(issuer.subject.raw).digest(),
    keyHash: createHash(digest).update(bytes).digest()
  }
}

/** Whether a CertID is of a certificate of this issuer; the hash values must be of the CertID's hash function. */
export function isOfIssuer(certId: OcspCertId, issuer: OcspIssuer): boolean {
  return equalBytes(certId.issuerNameHash, issuer.nameHash) && equalBytes(certId.issuerKeyHash, issuer.keyHash)
}

/** A CertID, with the NULL parameters that other programs write for the hash function. */
export function encodeOcspCertId(digest: DigestName, issuer: OcspIssuer, serialNumber: Uint8Array): Uint8Array {
  return encodeSequence(
    encodeAlgorithmIdentifier(digestOid(digest), encodeNull()),
    encodeOctetString(issuer.nameHash),
    encodeOctetString(issuer.keyHash),
    encodeTlv(TAG.integer, serialNumber)
  )
}
