import { OID } from '@app/oid'
import type { CertificateNames } from '@app/policy'
import {
  ENROLLMENT_FLAG,
  GENERAL_FLAG,
  isFlagSet,
  isForCa,
  keyUsageFor,
  purposesOf,
  type CertificateTemplate
} from '@app/templates'
import {
  encodeAlgorithmIdentifier,
  encodeBasicConstraints,
  encodeCertificatePolicies,
  encodeCertificateTemplateId,
  encodeCertificateTemplateName,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeOcspNoCheck,
  encodeSecurityIdentifier,
  encodeSmimeCapabilities,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  type Extension,
  type PublicKeyInfo
} from '@app/x509'
import type { RevocationSources } from './issuer.js'

type OptionalExtension = Extension | undefined

/** What clients of ours can decrypt, the preferred first (RFC 8551, 2.7). */
const CAPABILITIES = [OID.aes256_CBC, OID.aes192_CBC, OID.aes128_CBC].map(oid => ({
  raw: encodeAlgorithmIdentifier(oid)
}))

/** Extensions that a template may mark critical; RFC 5280 forbids it of the others. */
const MAY_BE_CRITICAL: ReadonlySet<string> = new Set([
  OID.id_ce_extKeyUsage,
  OID.id_ce_certificatePolicies,
  OID.id_ce_subjectAltName,
  OID.szOID_APPLICATION_CERT_POLICIES
])

/**
 * The extensions of a certificate that come from its template, its names and its key, and from nothing else
 * (MS-WCCE 3.2.2.6.2.1.4.4, 3.2.2.6.2.1.4.5). `issuancePolicies` stands in place of the template's.
 */
export function templateExtensions(
  template: CertificateTemplate,
  names: CertificateNames,
  publicKey: PublicKeyInfo,
  issuancePolicies: readonly string[] = template.issuancePolicies
): Extension[] {
  const isCritical = (oid: string): boolean => MAY_BE_CRITICAL.has(oid) && template.criticalExtensions.includes(oid)
  const extensions: OptionalExtension[] = [
    keyUsage(template, publicKey),
    ...purposes(template, isCritical),
    ...templateNames(template),
    altNames(names, isCritical),
    securityIdentifier(names),
    { oid: OID.id_ce_subjectKeyIdentifier, critical: false, value: encodeSubjectKeyIdentifier(publicKey.keyId) },
    policies(issuancePolicies, isCritical),
    basicConstraints(template),
    capabilities(template),
    ocspNoCheck(template)
  ]
  return extensions.filter(extension => extension !== undefined)
}

/** Which revocation sources a template's certificates name (MS-WCCE 3.2.2.6.2.1.4.5.6). */
export function revocationSourcesOf(template: CertificateTemplate): RevocationSources {
  const isWithout = isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.NO_REVOCATION_INFO)
  return isWithout || isOcspSigner(template) ? 'none' : 'all'
}

function keyUsage(template: CertificateTemplate, { algorithm }: PublicKeyInfo): OptionalExtension {
  const usages = keyUsageFor(template, algorithm)
  return usages.length === 0 ? undefined : { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(usages) }
}

/** Both lists are made from one, so that no reader sees another purpose than the next. */
function purposes(template: CertificateTemplate, isCritical: (oid: string) => boolean): Extension[] {
  const oids = purposesOf(template)
  if (oids.length === 0) return []
  return [
    {
      oid: OID.id_ce_extKeyUsage,
      critical: isCritical(OID.id_ce_extKeyUsage),
      value: encodeExtendedKeyUsage(oids)
    },
    {
      oid: OID.szOID_APPLICATION_CERT_POLICIES,
      critical: isCritical(OID.szOID_APPLICATION_CERT_POLICIES),
      value: encodeCertificatePolicies(oids)
    }
  ]
}

/** By name for schema version 1 or where the template says so, by identifier from version 2 on. */
function templateNames(template: CertificateTemplate): Extension[] {
  const { schemaVersion, generalFlags, name, oid, majorVersion: major, minorVersion: minor } = template
  const extensions: Extension[] = []
  if (schemaVersion === 1 || isFlagSet(generalFlags, GENERAL_FLAG.ADD_TEMPLATE_NAME)) {
    const value = encodeCertificateTemplateName(name)
    extensions.push({ oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false, value })
  }
  if (schemaVersion > 1) {
    const value = encodeCertificateTemplateId({ oid, major, minor })
    extensions.push({ oid: OID.szOID_CERTIFICATE_TEMPLATE, critical: false, value })
  }
  return extensions
}

function altNames(names: CertificateNames, isCritical: (oid: string) => boolean): OptionalExtension {
  if (names.altNames.length === 0) return undefined
  const oid = OID.id_ce_subjectAltName
  return { oid, critical: names.isSubjectEmpty || isCritical(oid), value: encodeSubjectAltName(names.altNames) }
}

function securityIdentifier({ securityIdentifier: sid }: CertificateNames): OptionalExtension {
  if (sid === undefined) return undefined
  return { oid: OID.szOID_NTDS_CA_SECURITY_EXT, critical: false, value: encodeSecurityIdentifier(sid) }
}

function policies(oids: readonly string[], isCritical: (oid: string) => boolean): OptionalExtension {
  if (oids.length === 0) return undefined
  const oid = OID.id_ce_certificatePolicies
  return { oid, critical: isCritical(oid), value: encodeCertificatePolicies(oids) }
}

/** Whether a certificate is a CA's is for the template's flag alone to say, never for its name or the request. */
function basicConstraints(template: CertificateTemplate): OptionalExtension {
  const oid = OID.id_ce_basicConstraints
  if (isForCa(template)) {
    const depth = template.maxIssuingDepth
    const constraints = depth < 0 ? { isCa: true } : { isCa: true, pathLength: depth }
    return { oid, critical: true, value: encodeBasicConstraints(constraints) }
  }
  return isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.BASIC_CONSTRAINTS_FOR_EE)
    ? { oid, critical: true, value: encodeBasicConstraints({ isCa: false }) }
    : undefined
}

function capabilities(template: CertificateTemplate): OptionalExtension {
  return isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS)
    ? { oid: OID.smimeCapabilities, critical: false, value: encodeSmimeCapabilities(CAPABILITIES) }
    : undefined
}

function ocspNoCheck(template: CertificateTemplate): OptionalExtension {
  return isOcspSigner(template)
    ? { oid: OID.id_pkix_ocsp_nocheck, critical: false, value: encodeOcspNoCheck() }
    : undefined
}

function isOcspSigner(template: CertificateTemplate): boolean {
  const isAsked = isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.ADD_OCSP_NOCHECK)
  return isAsked && purposesOf(template).includes(OID.id_kp_OCSPSigning)
}
