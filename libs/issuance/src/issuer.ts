import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { fillAddress, type AddressNumbers, type CertificateTemplate } from '@app/templates'
import {
  decodeBasicConstraints,
  decodeSubjectKeyIdentifier,
  encodeAuthorityInfoAccess,
  encodeAuthorityKeyIdentifier,
  encodeCrlDistributionPoints,
  findExtension,
  formatName,
  type Certificate,
  type Extension,
  type SignatureScheme
} from '@app/x509'

/** The CA that a certificate is made under: its certificate, how it signs, and the addresses it publishes at. */
export interface Issuer {
  readonly certificate: Certificate
  readonly scheme: SignatureScheme
  /** Where its CRL is. */
  readonly crlUrls: readonly string[]
  /** Where the delta of its CRL is, if it has deltas. */
  readonly deltaCrlUrls?: readonly string[]
  /** Where its own certificate is. */
  readonly caIssuersUrls: readonly string[]
  readonly ocspUrls: readonly string[]
  /** What a template's own addresses are made with; where absent, a template's addresses are not looked at. */
  readonly addressNumbers?: AddressNumbers
}

/** The addresses of a template in place of the issuer's, kind by kind. */
export function withAddressesOf({ addresses }: Pick<CertificateTemplate, 'addresses'>, issuer: Issuer): Issuer {
  const { addressNumbers: numbers } = issuer
  if (addresses === undefined || numbers === undefined) return issuer
  const filled = (patterns: readonly string[] | undefined, own: readonly string[]) =>
    patterns === undefined ? own : patterns.map(pattern => fillAddress(pattern, numbers))
  const crlUrls = filled(addresses.crl, issuer.crlUrls)
  return {
    ...issuer,
    crlUrls,
    // A delta is of no use without its base.
    deltaCrlUrls: crlUrls.length === 0 ? [] : (issuer.deltaCrlUrls ?? []),
    caIssuersUrls: filled(addresses.caIssuers, issuer.caIssuersUrls),
    ocspUrls: filled(addresses.ocsp, issuer.ocspUrls)
  }
}

/** Which sources of information about revocation a certificate names. */
export type RevocationSources = 'all' | 'none'

/** The first and last second of a certificate's validity. */
export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Clocks of clients may be slow by this much (MS-WCCE, Config_CA_Clock_Skew_Minutes). */
const CLOCK_SKEW_MS = 10 * 60_000

/** Ten minutes before `now` until `seconds` after it, in whole seconds. */
export function validityFrom(now: Date, seconds: number): Validity {
  return {
    notBefore: wholeSecond(now.getTime() - CLOCK_SKEW_MS),
    notAfter: wholeSecond(now.getTime() + seconds * 1000)
  }
}

/**
 * The validity of a certificate under an issuer: as {@link validityFrom}, and within that of the issuer's certificate.
 * Throws `ca_certificate_invalid` when the issuer's certificate is not valid now or is not a CA's.
 */
export function validityUnder(issuer: Issuer, now: Date, seconds: number): Validity {
  const { certificate } = issuer
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  const isCa = constraints !== undefined && decodeBasicConstraints(constraints.value).isCa
  if (!isCa || now < certificate.notBefore || now >= certificate.notAfter) {
    throw new AppError(
      'ca_certificate_invalid',
      `The certificate of ${formatName(certificate.subject)} is ${isCa ? 'not valid now' : 'not that of a CA'}.`,
      { notBefore: certificate.notBefore.toISOString(), notAfter: certificate.notAfter.toISOString() }
    )
  }
  const wanted = validityFrom(now, seconds)
  return {
    notBefore: new Date(Math.max(wanted.notBefore.getTime(), certificate.notBefore.getTime())),
    notAfter: new Date(Math.min(wanted.notAfter.getTime(), certificate.notAfter.getTime()))
  }
}

/** Why the validity is what {@link validityUnder} makes it of the same arguments; an officer may have shortened it. */
export function explainValidity(
  issuer: Issuer,
  now: Date,
  seconds: number,
  isShortened: boolean
): Record<keyof Validity, string> {
  const wanted = validityFrom(now, seconds)
  const isEarly = wanted.notBefore < issuer.certificate.notBefore
  const isLate = wanted.notAfter > issuer.certificate.notAfter
  return {
    notBefore: isEarly
      ? 'The certificate begins no earlier than that of the CA.'
      : 'The certificate begins ten minutes before it is issued, for clients whose clocks are slow.',
    notAfter: isLate
      ? 'The certificate would end later than that of the CA, whose end caps it.'
      : `The certificate ends ${seconds} seconds after it is issued, as ${isShortened ? 'an officer' : 'the template'} has it.`
  }
}

function wholeSecond(milliseconds: number): Date {
  return new Date(Math.floor(milliseconds / 1000) * 1000)
}

/**
 * What a certificate says of its issuer: the key that signed it, and the addresses. `none` leaves out the CRL and OCSP
 * addresses (MS-WCCE 3.2.2.6.2.1.4.5.6).
 */
export function issuerExtensions(issuer: Issuer, sources: RevocationSources): Extension[] {
  const extensions = [authorityKeyIdentifierOf(issuer.certificate)]
  const ocsp = sources === 'all' ? issuer.ocspUrls : []
  if (sources === 'all' && issuer.crlUrls.length > 0) {
    extensions.push(plain(OID.id_ce_cRLDistributionPoints, encodeCrlDistributionPoints(issuer.crlUrls)))
  }
  const deltas = sources === 'all' ? (issuer.deltaCrlUrls ?? []) : []
  if (deltas.length > 0) extensions.push(plain(OID.id_ce_freshestCRL, encodeCrlDistributionPoints(deltas)))
  if (ocsp.length + issuer.caIssuersUrls.length > 0) {
    const access = encodeAuthorityInfoAccess({ caIssuers: issuer.caIssuersUrls, ocsp })
    extensions.push(plain(OID.id_pe_authorityInfoAccess, access))
  }
  return extensions
}

/** Why a certificate has or lacks an extension of {@link issuerExtensions}; undefined when that makes no such one. */
export function explainIssuerExtension(oid: string, issuer: Issuer, sources: RevocationSources): string | undefined {
  switch (oid) {
    case OID.id_ce_authorityKeyIdentifier:
      return "It names the CA's key, as the CA certificate does; a request has no say in it."
    case OID.id_ce_cRLDistributionPoints:
      if (sources === 'none') return 'The template has its certificates name no source of revocation.'
      return issuer.crlUrls.length === 0
        ? 'The CA publishes no CRL.'
        : 'These are the addresses that the CA publishes its CRL at.'
    case OID.id_pe_authorityInfoAccess:
      return 'These are the addresses that the CA publishes at.'
    default:
      return undefined
  }
}

/**
 * Names the key of an issuer in what it signs, certificates and CRLs alike: by the identifier that its certificate gives
 * the key, which is its parent's choice, else by that of RFC 5280, 4.2.1.2. A CRL that names the key otherwise than the
 * certificate does is taken for that of another CA.
 */
export function authorityKeyIdentifierOf(certificate: Certificate): Extension {
  const extension = findExtension(certificate, OID.id_ce_subjectKeyIdentifier)
  const keyId = extension === undefined ? certificate.publicKey.keyId : decodeSubjectKeyIdentifier(extension.value)
  return plain(OID.id_ce_authorityKeyIdentifier, encodeAuthorityKeyIdentifier(keyId))
}

function plain(oid: string, value: Uint8Array): Extension {
  return { oid, critical: false, value }
}
