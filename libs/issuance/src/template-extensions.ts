import { OID } from '@app/oid'
import { explainNames, type CertificateNames } from '@app/policy'
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
  type BasicConstraints,
  type Extension,
  type PublicKeyInfo
} from '@app/x509'
import type { RevocationSources } from './issuer.js'

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

/** What the extensions that no issuer decides are made from. */
export interface ExtensionSource {
  readonly template: CertificateTemplate
  readonly names: CertificateNames
  readonly publicKey: PublicKeyInfo
  /** Those of the template, or what stands in their place. */
  readonly issuancePolicies: readonly string[]
  /** Whether a certificate is renewed. Only a reason depends on it. */
  readonly isRenewal?: boolean
}

/** What decides one extension, and says why. */
interface ExtensionRule {
  readonly oid: string
  /** Undefined when the certificate has no such extension. */
  readonly build: (source: ExtensionSource) => Omit<Extension, 'oid'> | undefined
  /** Why the extension says what it says, or why there is none. */
  readonly reason: (source: ExtensionSource) => string
}

/** Every extension that a template can put into a certificate, in the order of the certificate. */
const EXTENSION_RULES: readonly ExtensionRule[] = [
  {
    oid: OID.id_ce_keyUsage,
    build: ({ template, publicKey: { algorithm } }) => {
      const usages = keyUsageFor(template, algorithm)
      return usages.length === 0 ? undefined : { critical: true, value: encodeKeyUsage(usages) }
    },
    reason: ({ template, publicKey: { algorithm } }) =>
      `The template grants ${listOf(template.keyUsage)}; a key of the kind ${algorithm} is able to do ` +
      `${listOf(keyUsageFor(template, algorithm))} of it.`
  },
  {
    oid: OID.id_ce_extKeyUsage,
    build: ({ template }) => purposes(template, OID.id_ce_extKeyUsage, encodeExtendedKeyUsage),
    reason: ({ template }) => explainPurposes(template)
  },
  {
    // Both lists are made from one, so that no reader sees another purpose than the next.
    oid: OID.szOID_APPLICATION_CERT_POLICIES,
    build: ({ template }) => purposes(template, OID.szOID_APPLICATION_CERT_POLICIES, encodeCertificatePolicies),
    reason: ({ template }) => `${explainPurposes(template)} The list is that of the extended key usage.`
  },
  {
    oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION,
    build: ({ template }) =>
      isNamed(template) ? { critical: false, value: encodeCertificateTemplateName(template.name) } : undefined,
    reason: ({ template }) =>
      isNamed(template)
        ? 'Certificates of the template name it: its schema version is 1, or its flags ask for the name.'
        : `Certificates name a template of schema version ${template.schemaVersion} by its identifier.`
  },
  {
    oid: OID.szOID_CERTIFICATE_TEMPLATE,
    build: ({ template: { schemaVersion, oid, majorVersion: major, minorVersion: minor } }) =>
      schemaVersion === 1 ? undefined : { critical: false, value: encodeCertificateTemplateId({ oid, major, minor }) },
    reason: ({ template: { schemaVersion } }) =>
      schemaVersion === 1
        ? 'Certificates name a template of schema version 1 by its name.'
        : 'This is the version of the template that the request was judged by.'
  },
  {
    oid: OID.id_ce_subjectAltName,
    build: ({ template, names }) => {
      if (names.altNames.length === 0) return undefined
      const critical = names.isSubjectEmpty || isCritical(template, OID.id_ce_subjectAltName)
      return { critical, value: encodeSubjectAltName(names.altNames) }
    },
    reason: ({ template, isRenewal }) => explainNames(template, isRenewal).altNames
  },
  {
    oid: OID.szOID_NTDS_CA_SECURITY_EXT,
    build: ({ names: { securityIdentifier: sid } }) =>
      sid === undefined ? undefined : { critical: false, value: encodeSecurityIdentifier(sid) },
    reason: ({ template, isRenewal }) => explainNames(template, isRenewal).securityIdentifier
  },
  {
    oid: OID.id_ce_subjectKeyIdentifier,
    build: ({ publicKey }) => ({ critical: false, value: encodeSubjectKeyIdentifier(publicKey.keyId) }),
    reason: () => 'It is computed from the key (RFC 5280, 4.2.1.2, method 1).'
  },
  {
    oid: OID.id_ce_certificatePolicies,
    build: ({ template, issuancePolicies }) =>
      issuancePolicies.length === 0
        ? undefined
        : {
            critical: isCritical(template, OID.id_ce_certificatePolicies),
            value: encodeCertificatePolicies(issuancePolicies)
          },
    reason: ({ issuancePolicies }) =>
      issuancePolicies.length === 0
        ? 'The template has no issuance policy.'
        : 'The issuance policies are those of the template.'
  },
  {
    // Whether a certificate is a CA's is for the template's flag alone to say, never for its name or the request.
    oid: OID.id_ce_basicConstraints,
    build: ({ template }) => {
      const constraints = basicConstraints(template)
      return constraints === undefined ? undefined : { critical: true, value: encodeBasicConstraints(constraints) }
    },
    reason: ({ template }) => {
      if (isForCa(template)) return 'The template makes CA certificates, to the depth that it says.'
      return basicConstraints(template) === undefined
        ? 'The template makes certificates of end entities, without basic constraints; no request makes one a CA.'
        : 'The template makes certificates of end entities and has them say so; no request makes one a CA.'
    }
  },
  {
    oid: OID.smimeCapabilities,
    build: ({ template }) =>
      isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS)
        ? { critical: false, value: encodeSmimeCapabilities(CAPABILITIES) }
        : undefined,
    reason: ({ template }) =>
      isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS)
        ? 'The template has the algorithms listed that clients of this installation decrypt.'
        : 'The template lists no S/MIME algorithms.'
  },
  {
    oid: OID.id_pkix_ocsp_nocheck,
    build: ({ template }) => (isOcspSigner(template) ? { critical: false, value: encodeOcspNoCheck() } : undefined),
    reason: ({ template }) =>
      isOcspSigner(template)
        ? 'The template makes certificates of OCSP responders, which are not checked by OCSP.'
        : 'The template makes no certificates of OCSP responders.'
  }
]

/**
 * The extensions of a certificate that come from its template, its names and its key, and from nothing else
 * (MS-WCCE 3.2.2.6.2.1.4.4, 3.2.2.6.2.1.4.5).
 */
export function templateExtensions(source: ExtensionSource): Extension[] {
  return EXTENSION_RULES.flatMap(({ oid, build }) => {
    const built = build(source)
    return built === undefined ? [] : [{ oid, ...built }]
  })
}

/** Why a certificate has or lacks an extension, as its rule says it; undefined when no rule makes it. */
export function explainTemplateExtension(oid: string, source: ExtensionSource): string | undefined {
  return EXTENSION_RULES.find(rule => rule.oid === oid)?.reason(source)
}

/** Which revocation sources a template's certificates name (MS-WCCE 3.2.2.6.2.1.4.5.6). */
export function revocationSourcesOf(template: CertificateTemplate): RevocationSources {
  const isWithout = isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.NO_REVOCATION_INFO)
  return isWithout || isOcspSigner(template) ? 'none' : 'all'
}

function isCritical(template: CertificateTemplate, oid: string): boolean {
  return MAY_BE_CRITICAL.has(oid) && template.criticalExtensions.includes(oid)
}

function purposes(
  template: CertificateTemplate,
  oid: string,
  encode: (oids: readonly string[]) => Uint8Array
): Omit<Extension, 'oid'> | undefined {
  const oids = purposesOf(template)
  return oids.length === 0 ? undefined : { critical: isCritical(template, oid), value: encode(oids) }
}

function explainPurposes(template: CertificateTemplate): string {
  return purposesOf(template).length === 0 ? 'The template has no purpose.' : 'The purposes are those of the template.'
}

/** By name for schema version 1 or where the template says so, by identifier from version 2 on. */
function isNamed({ schemaVersion, generalFlags }: CertificateTemplate): boolean {
  return schemaVersion === 1 || isFlagSet(generalFlags, GENERAL_FLAG.ADD_TEMPLATE_NAME)
}

function basicConstraints(template: CertificateTemplate): BasicConstraints | undefined {
  if (isForCa(template)) {
    const depth = template.maxIssuingDepth
    return depth < 0 ? { isCa: true } : { isCa: true, pathLength: depth }
  }
  return isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.BASIC_CONSTRAINTS_FOR_EE) ? { isCa: false } : undefined
}

function isOcspSigner(template: CertificateTemplate): boolean {
  const isAsked = isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.ADD_OCSP_NOCHECK)
  return isAsked && purposesOf(template).includes(OID.id_kp_OCSPSigning)
}

function listOf(words: readonly string[]): string {
  return words.length === 0 ? 'nothing' : words.join(', ')
}
