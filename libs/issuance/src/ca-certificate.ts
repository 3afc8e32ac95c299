import { AppError } from '@app/core'
import { OID } from '@app/oid'
import type { Signer } from '@app/keys'
import {
  buildCertificationRequest,
  decodeBasicConstraints,
  encodeAttribute,
  encodeBasicConstraints,
  encodeCaVersion,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeKeyUsage,
  encodePreviousCaCertificateHash,
  encodeSubjectKeyIdentifier,
  findExtension,
  type CaVersion,
  type Extension,
  type PublicKeyInfo,
  type SignatureScheme
} from '@app/x509'
import { issuerExtensions, validityFrom, validityUnder, type Issuer } from './issuer.js'
import { prepare, type PreparedCertificate } from './prepared-certificate.js'

/** A CA to be: its name, its key, which of its certificates this is, how many CAs may stand below it. */
export interface CaProfile {
  /** The Name element. */
  readonly subject: Uint8Array
  readonly publicKey: PublicKeyInfo
  readonly version: CaVersion
  /** Absent: without limit. 0: end entities only. */
  readonly pathLength?: number
  /** SHA-1 of the CA's certificate before this one; absent for the first. */
  readonly previousHash?: Uint8Array
}

/** What else a root certificate is made from. */
export interface RootCertificateOrder extends CaProfile {
  readonly scheme: SignatureScheme
  readonly serialNumber: Uint8Array
  readonly now: Date
  readonly validitySeconds: number
}

/** The self-signed certificate of a root CA; to be issued with the root's own signer. Throws `lint_failed`. */
export function prepareRootCertificate(order: RootCertificateOrder): PreparedCertificate {
  const { subject, publicKey, scheme, serialNumber, now, validitySeconds } = order
  return prepare({
    ...validityFrom(now, validitySeconds),
    serialNumber,
    scheme,
    issuer: subject,
    issuerKey: publicKey,
    subject,
    publicKey,
    extensions: caExtensions(order)
  })
}

/** What else the certificate of a subordinate CA is made from. */
export interface SubordinateCertificateOrder extends CaProfile {
  readonly issuer: Issuer
  readonly serialNumber: Uint8Array
  readonly now: Date
  readonly validitySeconds: number
}

/**
 * The certificate of a CA below this one. The caller has verified that the key is held by whom the name is given to.
 * Throws `ca_certificate_invalid` when the issuer may have no CA below it, and `lint_failed`.
 */
export function prepareSubordinateCertificate(order: SubordinateCertificateOrder): PreparedCertificate {
  const { issuer, subject, publicKey, serialNumber, now, validitySeconds } = order
  const limit = pathLengthUnder(issuer)
  const pathLength = Math.min(order.pathLength ?? Infinity, limit)
  const profile = Number.isFinite(pathLength) ? { ...order, pathLength } : order
  return prepare({
    ...validityUnder(issuer, now, validitySeconds),
    serialNumber,
    scheme: issuer.scheme,
    issuer: issuer.certificate.subject.raw,
    issuerKey: issuer.certificate.publicKey,
    issuerCertificate: issuer.certificate,
    subject,
    publicKey,
    extensions: [...caExtensions(profile), ...issuerExtensions(issuer, 'all')]
  })
}

/** How many CAs may stand below a CA that this issuer certifies; infinite without a limit. */
function pathLengthUnder(issuer: Issuer): number {
  const extension = findExtension(issuer.certificate, OID.id_ce_basicConstraints)
  const own = extension === undefined ? undefined : decodeBasicConstraints(extension.value).pathLength
  if (own === 0) {
    throw new AppError('ca_certificate_invalid', 'The CA certificate allows no CA below it (path length 0).')
  }
  return own === undefined ? Infinity : own - 1
}

/**
 * A PKCS#10 for the certificate of a subordinate CA. It asks for what a CA needs, and names the template SubCA, by which
 * a Microsoft CA knows what is meant (MS-WCCE 3.2.2.6.2.1.4.6).
 */
export function buildSubordinateRequest(profile: Omit<CaProfile, 'publicKey'>, signer: Signer): Promise<Uint8Array> {
  const { publicKey, scheme } = signer
  const template = { oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false }
  const extensions = [
    ...caExtensions({ ...profile, publicKey }),
    { ...template, value: encodeCertificateTemplateName('SubCA') }
  ]
  const attributes = [encodeAttribute(OID.extensionRequest, [encodeExtensions(extensions)])]
  return buildCertificationRequest({ subject: profile.subject, publicKey: publicKey.raw, attributes }, scheme, info =>
    signer.sign(info)
  )
}

/** RFC 5280, 4.2.1.9 and 4.2.1.3; the CA version is Microsoft's and tells renewals apart (1.3.6.1.4.1.311.21.1). */
function caExtensions({ publicKey, version, pathLength, previousHash }: CaProfile): Extension[] {
  const constraints = pathLength === undefined ? { isCa: true } : { isCa: true, pathLength }
  return [
    { oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints(constraints) },
    {
      oid: OID.id_ce_keyUsage,
      critical: true,
      value: encodeKeyUsage(['digitalSignature', 'keyCertSign', 'cRLSign'])
    },
    { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(publicKey.keyId) },
    { oid: OID.szOID_CERTSRV_CA_VERSION, critical: false, value: encodeCaVersion(version) },
    ...(previousHash === undefined ? [] : [previousCertificate(previousHash)])
  ]
}

function previousCertificate(sha1: Uint8Array): Extension {
  const oid = OID.szOID_CERTSRV_PREVIOUS_CERT_HASH
  return { oid, critical: false, value: encodePreviousCaCertificateHash(sha1) }
}
