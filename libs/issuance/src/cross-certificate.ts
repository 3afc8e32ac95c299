import { AppError, equalBytes } from '@app/core'
import { OID } from '@app/oid'
import {
  decodeBasicConstraints,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  findExtension,
  type Certificate,
  type Extension
} from '@app/x509'
import { issuerExtensions, validityUnder, type Issuer } from './issuer.js'
import { prepare, type PreparedCertificate } from './prepared-certificate.js'
import { issuerFactsOf } from './tbs-facts.js'

/** A cross certificate between two keys of one root CA. */
export interface CrossCertificateOrder {
  /** The root with the key that signs. */
  readonly issuer: Issuer
  /** The root's own certificate for the other key. */
  readonly certified: Certificate
  readonly serialNumber: Uint8Array
  readonly now: Date
}

/**
 * Certifies one key of a root with another (RFC 4210, 4.4.1): signed with the old key, who trusts the old root accepts
 * what the new key signs (newWithOld); the other way round, who trusts the new one accepts what the old key signed
 * (oldWithNew). It says of the key what the root's own certificate says, and lasts as long as both roots.
 *
 * Throws `invalid_argument` when the two certificates are of different CAs, `ca_certificate_invalid` when that of the
 * issuer is not valid now, and `lint_failed`.
 */
export function prepareCrossCertificate(order: CrossCertificateOrder): PreparedCertificate {
  const { issuer, certified, serialNumber, now } = order
  if (!equalBytes(issuer.certificate.subject.raw, certified.subject.raw)) {
    throw new AppError('invalid_argument', 'A cross certificate is for another key of the same CA.')
  }
  const seconds = (certified.notAfter.getTime() - now.getTime()) / 1000
  return prepare({
    ...validityUnder(issuer, now, seconds),
    serialNumber,
    scheme: issuer.scheme,
    issuer: issuer.certificate.subject.raw,
    issuerKey: issuer.certificate.publicKey,
    issuerCertificate: issuer.certificate,
    subject: certified.subject.raw,
    publicKey: certified.publicKey,
    extensions: [...keyExtensions(certified), ...issuerExtensions(withCrlAlone(issuer), 'all')]
  })
}

/** OCSP responders and deltas tell of what was issued on request; a cross certificate is looked for on the base CRL. */
function withCrlAlone(issuer: Issuer): Issuer {
  return { ...issuer, ocspUrls: [], deltaCrlUrls: [] }
}

function keyExtensions(certified: Certificate): Extension[] {
  const constraints = findExtension(certified, OID.id_ce_basicConstraints)
  const { pathLength } = constraints === undefined ? {} : decodeBasicConstraints(constraints.value)
  const value = encodeBasicConstraints(pathLength === undefined ? { isCa: true } : { isCa: true, pathLength })
  const { keyId } = issuerFactsOf(certified)
  return [
    { oid: OID.id_ce_basicConstraints, critical: true, value },
    { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature', 'keyCertSign', 'cRLSign']) },
    { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(keyId) }
  ]
}
