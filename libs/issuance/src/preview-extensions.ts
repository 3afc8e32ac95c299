import { describeExtension } from '@app/cmc'
import { OID } from '@app/oid'
import type { Extension } from '@app/x509'
import { compareStatements, type Statement } from './preview-rows.js'
import type { PreviewField, PreviewFieldName } from './preview-schema.js'
import type { Sides } from './preview-names.js'

const FIELDS: ReadonlyMap<string, PreviewFieldName> = new Map([
  [OID.id_ce_keyUsage, 'keyUsage'],
  [OID.id_ce_extKeyUsage, 'extendedKeyUsage'],
  [OID.szOID_APPLICATION_CERT_POLICIES, 'applicationPolicies'],
  [OID.id_ce_certificatePolicies, 'issuancePolicies'],
  [OID.id_ce_basicConstraints, 'basicConstraints'],
  [OID.szOID_NTDS_CA_SECURITY_EXT, 'securityIdentifier'],
  [OID.szOID_ENROLL_CERTTYPE_EXTENSION, 'template'],
  [OID.szOID_CERTIFICATE_TEMPLATE, 'template'],
  [OID.id_ce_subjectKeyIdentifier, 'subjectKeyIdentifier'],
  [OID.id_ce_authorityKeyIdentifier, 'authorityKeyIdentifier'],
  [OID.id_ce_cRLDistributionPoints, 'crlDistributionPoints'],
  [OID.id_pe_authorityInfoAccess, 'authorityInfoAccess']
])

/**
 * Every extension but the alternative names, one row each, in the order of the certificate and then of the request.
 * `explain` gives what the rule that makes an extension says; undefined when no rule makes it.
 */
export function previewExtensions(
  sides: Sides<readonly Extension[]>,
  explain: (oid: string) => string | undefined
): PreviewField[] {
  const { submitted, edited, issued = [] } = sides
  const oids = new Set([...issued, ...edited, ...submitted].map(({ oid }) => oid))
  oids.delete(OID.id_ce_subjectAltName)
  return [...oids].flatMap(oid => {
    const of = (extensions: readonly Extension[]): Statement[] =>
      extensions.filter(extension => extension.oid === oid).map(statementOf)
    const first = of(submitted)
    return compareStatements(
      FIELDS.get(oid) ?? 'extension',
      { submitted: first, edited: edited === submitted ? first : of(edited) },
      of(issued),
      () => explain(oid) ?? 'No rule puts this extension into a certificate, and none is taken from a request.'
    )
  })
}

function statementOf(extension: Extension): Statement {
  const { oid, name, value } = describeExtension(extension)
  return { name: name ?? oid, value, critical: extension.critical }
}
