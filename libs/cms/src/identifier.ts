import { equalBytes } from '@app/core'
import { encodePrimitiveContext, encodeSequence, encodeTlv, primitiveContextTag, TAG, type DerReader } from '@app/der'
import { decodeName, type Certificate } from '@app/x509'

/** Names the certificate of a signer (RFC 5652, 5.3) or of a recipient (6.2.1). */
export type SignerIdentifier =
  | {
      readonly kind: 'issuerAndSerial'
      /** The issuer's Name TLV. */
      readonly issuer: Uint8Array
      /** The content octets of the serial number's INTEGER. */
      readonly serialNumber: Uint8Array
    }
  | {
      readonly kind: 'keyId'
      /** The value of the subject key identifier. */
      readonly keyId: Uint8Array
    }

/**
 * Reads either form of identifier. Throws a `der_…` code or `x509_structure`.
 *
 * ```asn1
 * SignerIdentifier, RecipientIdentifier ::= CHOICE {
 *   issuerAndSerialNumber  IssuerAndSerialNumber,
 *   subjectKeyIdentifier   [0] IMPLICIT OCTET STRING }
 * IssuerAndSerialNumber ::= SEQUENCE {
 *   issuer        Name,
 *   serialNumber  INTEGER }
 * ```
 * RFC 5652, 5.3, 6.2.1 and 10.2.4.
 */
export function decodeIdentifier(reader: DerReader, what: string): SignerIdentifier {
  if (reader.nextTag === primitiveContextTag(0)) {
    return { kind: 'keyId', keyId: reader.octetString(`subjectKeyIdentifier of ${what}`, primitiveContextTag(0)) }
  }
  const pair = reader.sequence(`issuerAndSerialNumber of ${what}`)
  const issuer = decodeName(pair, `issuer of ${what}`).raw
  const serialNumber = pair.integerContent(`serialNumber of ${what}`)
  pair.end(`issuerAndSerialNumber of ${what}`)
  return { kind: 'issuerAndSerial', issuer, serialNumber }
}

/** Writes either form of identifier. */
export function encodeIdentifier(identifier: SignerIdentifier): Uint8Array {
  return identifier.kind === 'keyId'
    ? encodePrimitiveContext(0, identifier.keyId)
    : encodeSequence(identifier.issuer, encodeTlv(TAG.integer, identifier.serialNumber))
}

/** The identifier of a certificate by its issuer and serial number. */
export function identifierOf(certificate: Certificate): SignerIdentifier {
  return { kind: 'issuerAndSerial', issuer: certificate.issuer.raw, serialNumber: certificate.serialNumber }
}

/** What an identifier may be compared with; `keyId` where the certificate has or implies one. */
export interface IdentifiedCertificate {
  /** The issuer's Name TLV. */
  readonly issuer: Uint8Array
  /** The content octets of the serial number's INTEGER. */
  readonly serialNumber: Uint8Array
  readonly keyId?: Uint8Array | undefined
}

/** Whether the identifier names this certificate. Names are compared as encoded, byte by byte. */
export function isIdentifiedBy(certificate: IdentifiedCertificate, identifier: SignerIdentifier): boolean {
  if (identifier.kind === 'keyId') {
    return certificate.keyId !== undefined && equalBytes(certificate.keyId, identifier.keyId)
  }
  return (
    equalBytes(certificate.serialNumber, identifier.serialNumber) && equalBytes(certificate.issuer, identifier.issuer)
  )
}
