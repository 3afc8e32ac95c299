import { OID } from '@app/oid'
import type { ArchivalSettings, CertificateTemplate } from './certificate-template.js'
import { ENROLLMENT_FLAG, GENERAL_FLAG, isFlagSet, PRIVATE_KEY_FLAG, SUBJECT_NAME_FLAG } from './flags.js'

/** Extended key usages by which a holder logs on as the certificate's subject. */
export const AUTHENTICATION_USAGES: readonly string[] = [
  OID.id_kp_clientAuth,
  OID.szOID_KP_SMARTCARD_LOGON,
  OID.id_pkinit_KPClientAuth,
  OID.anyExtendedKeyUsage
]

/**
 * The purposes of a template's certificates. The extended key usage and the application policies are both made from
 * this one list, so that neither can say what the other does not.
 */
export function purposesOf(template: CertificateTemplate): readonly string[] {
  return template.applicationPolicies.length > 0 ? template.applicationPolicies : template.extendedKeyUsages
}

/** Whether certificates of the template let their holder log on as their subject. No purpose at all means any. */
export function isForAuthentication(template: CertificateTemplate): boolean {
  const purposes = [...template.extendedKeyUsages, ...template.applicationPolicies]
  return purposes.length === 0 || purposes.some(purpose => AUTHENTICATION_USAGES.includes(purpose))
}

/** Whether the names in the certificate are those of the request, instead of the directory's. */
export function isSubjectFromRequest(template: CertificateTemplate): boolean {
  return isFlagSet(template.subjectNameFlags, SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT)
}

/** Whether every request waits for an officer. */
export function isPendingAlways(template: CertificateTemplate): boolean {
  return isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.PEND_ALL_REQUESTS)
}

const THIRTY_DAYS = 30 * 86_400

/** For how long a request waits for an officer before it is denied, in seconds. */
export function pendingSecondsOf(template: CertificateTemplate): number {
  return template.pendingSeconds ?? THIRTY_DAYS
}

/** Whether somebody beside the requester must agree: an officer, or a registration authority that signs. */
export function isApprovalNeeded(template: CertificateTemplate): boolean {
  return isPendingAlways(template) || template.raSignatures > 0
}

/** Whether the requester's private key is archived. */
export function isArchivalRequired(template: CertificateTemplate): boolean {
  return isFlagSet(template.privateKeyFlags, PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL)
}

/** Whether the template makes CA certificates. */
export function isForCa(template: CertificateTemplate): boolean {
  return isFlagSet(template.generalFlags, GENERAL_FLAG.IS_CA)
}

/** Whether the template is for computers. */
export function isForMachines(template: CertificateTemplate): boolean {
  return isFlagSet(template.generalFlags, GENERAL_FLAG.MACHINE_TYPE)
}

/** How many recovery agents must agree before an archived key is recovered. */
export function recoveryQuorumOf(archival: ArchivalSettings): number {
  if (archival.mode === 'threshold') return archival.threshold
  return archival.approvals ?? Math.min(2, archival.agentCount)
}
