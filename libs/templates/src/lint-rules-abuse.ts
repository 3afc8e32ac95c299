import { OID } from '@app/oid'
import { ENROLLMENT_FLAG, isFlagSet } from './flags.js'
import type { TemplateRule } from './template-rule.js'
import { isApprovalNeeded, isForAuthentication, isForCa, isSubjectFromRequest, purposesOf } from './template-traits.js'

const APPROVAL = 'Demand approval (enrollment flag 0x2) or registration authority signatures'

/** The template abuses known as ESC1 to ESC17, as far as a template can show them. */
export const abuseRules: readonly TemplateRule[] = [
  {
    rule: 'ESC1',
    severity: 'error',
    where: ['subjectNameFlags', 'extendedKeyUsages', 'applicationPolicies', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}, or take the subject from the directory.`,
    check: template =>
      isSubjectFromRequest(template) && isForAuthentication(template) && !isApprovalNeeded(template)
        ? 'A requester names the subject of a certificate that logs on as this subject, and nobody approves it.'
        : undefined
  },
  {
    rule: 'ESC2',
    severity: 'error',
    where: ['extendedKeyUsages', 'applicationPolicies'],
    remedy: 'List the extended key usages that the certificates are for.',
    check: template => {
      if (isForCa(template)) return undefined
      const isAny = [...template.extendedKeyUsages, ...template.applicationPolicies].includes(OID.anyExtendedKeyUsage)
      if (isAny) return 'The certificates are good for any purpose (anyExtendedKeyUsage).'
      return purposesOf(template).length === 0
        ? 'The template lists no extended key usage, which makes its certificates good for any purpose.'
        : undefined
    }
  },
  {
    rule: 'ESC3',
    severity: 'error',
    where: ['extendedKeyUsages', 'applicationPolicies', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL} for enrollment agent certificates.`,
    check: template =>
      isFor(template, OID.szOID_ENROLLMENT_AGENT) && !isApprovalNeeded(template)
        ? 'Enrollment agent certificates, whose holders request for others, are issued without approval.'
        : undefined
  },
  {
    rule: 'ESC9',
    severity: 'error',
    where: ['enrollmentFlags'],
    remedy: 'Clear the enrollment flag NO_SECURITY_EXTENSION (0x80000).',
    check: template =>
      isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.NO_SECURITY_EXTENSION)
        ? 'The certificates would lack the security identifier that ties them to one account.'
        : undefined
  },
  {
    rule: 'ESC13',
    severity: 'error',
    where: ['issuancePolicies', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}, or clear the issuance policies: a directory may link one to a privileged group.`,
    check: template =>
      template.issuancePolicies.length > 0 && !isApprovalNeeded(template)
        ? `Issuance policies are asserted without approval: ${template.issuancePolicies.join(', ')}.`
        : undefined
  },
  {
    rule: 'ESC15',
    severity: 'error',
    where: ['schemaVersion', 'subjectNameFlags'],
    remedy: 'Raise the schema version to 2 or later, or take the subject from the directory.',
    check: template =>
      template.schemaVersion === 1 && isSubjectFromRequest(template)
        ? 'A template of schema version 1 lets the requester name the subject; it cannot state application policies.'
        : undefined
  },
  {
    rule: 'ESC17',
    severity: 'error',
    where: ['subjectNameFlags', 'extendedKeyUsages', 'applicationPolicies', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}, or take the DNS names from the directory.`,
    check: template =>
      isSubjectFromRequest(template) && isFor(template, OID.id_kp_serverAuth) && !isApprovalNeeded(template)
        ? 'A requester chooses the DNS names of a TLS server certificate, and nobody approves them.'
        : undefined
  },
  {
    rule: 'ca-approval',
    severity: 'error',
    where: ['generalFlags', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}.`,
    check: template =>
      isForCa(template) && !isApprovalNeeded(template) ? 'CA certificates are issued without approval.' : undefined
  },
  {
    rule: 'key-recovery-approval',
    severity: 'error',
    where: ['extendedKeyUsages', 'applicationPolicies', 'enroll', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}, or let no group enroll.`,
    check: template =>
      isFor(template, OID.szOID_KP_KEY_RECOVERY_AGENT) && template.enroll.length > 0 && !isApprovalNeeded(template)
        ? 'Recovery agent certificates, whose holders open archived keys, are issued without approval.'
        : undefined
  },
  {
    rule: 'exchange-enrollment',
    severity: 'error',
    where: ['extendedKeyUsages', 'applicationPolicies', 'enroll'],
    remedy: 'Let no group enroll: only the CA makes exchange certificates, and only for itself.',
    check: template =>
      isFor(template, OID.szOID_KP_CA_EXCHANGE) && template.enroll.length > 0
        ? 'Clients wrap their keys for the holder of an exchange certificate, and others than the CA may enroll for it.'
        : undefined
  },
  {
    rule: 'ocsp-approval',
    severity: 'error',
    where: ['extendedKeyUsages', 'applicationPolicies', 'enroll', 'enrollmentFlags', 'raSignatures'],
    remedy: `${APPROVAL}, or let no group enroll.`,
    check: template =>
      isFor(template, OID.id_kp_OCSPSigning) && template.enroll.length > 0 && !isApprovalNeeded(template)
        ? 'OCSP responders, who tell which certificates are revoked, are certified without approval.'
        : undefined
  }
]

function isFor(template: Parameters<typeof purposesOf>[0], purpose: string): boolean {
  return template.extendedKeyUsages.includes(purpose) || template.applicationPolicies.includes(purpose)
}
