import { equalBytes } from '@app/core'
import { OID } from '@app/oid'
import type { LintRule } from './lint-rule.js'

/** Extensions that must not be critical (RFC 5280, 4.2.1.1, 4.2.1.2, 4.2.1.15, 4.2.2.1; MS-WCCE 2.2.2.7.7.4). */
const NEVER_CRITICAL: ReadonlySet<string> = new Set<string>([
  OID.id_ce_authorityKeyIdentifier,
  OID.id_ce_subjectKeyIdentifier,
  OID.id_pe_authorityInfoAccess,
  OID.id_ce_freshestCRL,
  OID.szOID_NTDS_CA_SECURITY_EXT
])

/** Extensions that readers of our certificates understand when they are critical. */
const MAY_BE_CRITICAL: ReadonlySet<string> = new Set<string>([
  OID.id_ce_keyUsage,
  OID.id_ce_extKeyUsage,
  OID.id_ce_basicConstraints,
  OID.id_ce_subjectAltName,
  OID.id_ce_certificatePolicies,
  OID.szOID_APPLICATION_CERT_POLICIES
])

/** Which extensions a certificate has and how they are marked. */
export const extensionRules: readonly LintRule[] = [
  {
    id: 'extension-repeated',
    citation: 'RFC 5280, 4.2',
    severity: 'error',
    check: ({ extensions, byOid }) => {
      if (byOid.size === extensions.length) return undefined
      const repeated = extensions.find(extension => byOid.get(extension.oid) !== extension)
      return `The extension ${repeated?.oid} occurs twice.`
    }
  },
  {
    id: 'extension-never-critical',
    citation: 'RFC 5280, 4.2.1.1, 4.2.1.2 and 4.2.2.1',
    severity: 'error',
    check: ({ extensions }) => {
      const wrong = extensions.find(({ oid, critical }) => critical && NEVER_CRITICAL.has(oid))
      return wrong === undefined ? undefined : `The extension ${wrong.oid} must not be critical.`
    }
  },
  {
    id: 'extension-critical-unknown',
    citation: 'RFC 5280, 4.2',
    severity: 'error',
    check: ({ extensions }) => {
      const wrong = extensions.find(
        ({ oid, critical }) => critical && !NEVER_CRITICAL.has(oid) && !MAY_BE_CRITICAL.has(oid)
      )
      return wrong === undefined
        ? undefined
        : `The extension ${wrong.oid} is critical, so readers reject the certificate.`
    }
  },
  {
    id: 'subject-key-identifier',
    citation: 'RFC 5280, 4.2.1.2',
    severity: 'error',
    check: ({ subjectKeyId }) => (subjectKeyId === undefined ? 'There is no subject key identifier.' : undefined)
  },
  {
    id: 'subject-key-identifier-key',
    citation: 'RFC 5280, 4.2.1.2',
    severity: 'error',
    check: ({ subjectKeyId, publicKey }) =>
      subjectKeyId === undefined || equalBytes(subjectKeyId, publicKey.keyId)
        ? undefined
        : 'The subject key identifier is not the SHA-1 of the key.'
  },
  {
    id: 'authority-key-identifier',
    citation: 'RFC 5280, 4.2.1.1',
    severity: 'error',
    check: ({ authorityKeyId, isSelfSigned }) =>
      isSelfSigned || authorityKeyId !== undefined ? undefined : 'There is no authority key identifier.'
  },
  {
    id: 'authority-key-identifier-key',
    citation: 'RFC 5280, 4.2.1.1',
    severity: 'error',
    check: ({ authorityKeyId }) =>
      authorityKeyId !== undefined && authorityKeyId.keyId === undefined
        ? 'The authority key identifier lacks the key identifier.'
        : undefined
  },
  {
    id: 'authority-key-identifier-issuer',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.3, g',
    severity: 'warning',
    check: ({ authorityKeyId }) =>
      authorityKeyId?.issuer === undefined
        ? undefined
        : "The authority key identifier names one certificate of the CA, which its renewal doesn't have."
  },
  {
    id: 'policy-any',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.6.4',
    severity: 'error',
    check: ({ isCa, policies = [] }) =>
      !isCa && policies.includes(OID.anyPolicy) ? 'An end entity stands for any certificate policy.' : undefined
  },
  {
    id: 'policy-critical',
    citation: 'RFC 5280, 4.2.1.4; CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.3, a',
    severity: 'warning',
    check: ({ byOid }) =>
      byOid.get(OID.id_ce_certificatePolicies)?.critical === true
        ? 'The certificate policies are critical, so readers that do not know them reject the certificate.'
        : undefined
  }
]
