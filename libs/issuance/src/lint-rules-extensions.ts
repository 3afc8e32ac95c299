import { OID } from '@app/oid'
import type { LintRule } from './lint-rule.js'
import type { TbsFacts } from './tbs-facts.js'

/** Extensions that must not be critical (RFC 5280, 4.2.1.1, 4.2.1.2, 4.2.2.1; MS-WCCE 2.2.2.7.7.4). */
const NEVER_CRITICAL: ReadonlySet<string> = new Set<string>([
  OID.id_ce_authorityKeyIdentifier,
  OID.id_ce_subjectKeyIdentifier,
  OID.id_pe_authorityInfoAccess,
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
    check: ({ extensions }) => {
      const oids = extensions.map(({ oid }) => oid)
      const repeated = oids.find((oid, index) => oids.indexOf(oid) !== index)
      return repeated === undefined ? undefined : `The extension ${repeated} occurs twice.`
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
    check: facts => (has(facts, OID.id_ce_subjectKeyIdentifier) ? undefined : 'There is no subject key identifier.')
  },
  {
    id: 'authority-key-identifier',
    citation: 'RFC 5280, 4.2.1.1',
    severity: 'error',
    check: facts =>
      has(facts, OID.id_ce_authorityKeyIdentifier) || facts.isSelfIssued
        ? undefined
        : 'There is no authority key identifier.'
  },
  {
    id: 'revocation-source',
    citation: 'RFC 5280, 4.2.1.13',
    severity: 'warning',
    check: facts =>
      facts.isSelfIssued ||
      [OID.id_ce_cRLDistributionPoints, OID.id_pe_authorityInfoAccess, OID.id_pkix_ocsp_nocheck].some(oid =>
        has(facts, oid)
      )
        ? undefined
        : 'Nobody can find out whether the certificate is revoked: it names neither a CRL nor an OCSP responder.'
  }
]

function has({ extensions }: TbsFacts, wanted: string): boolean {
  return extensions.some(({ oid }) => oid === wanted)
}
