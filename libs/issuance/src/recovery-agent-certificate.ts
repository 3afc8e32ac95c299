import { KEY_RECOVERY_AGENT_TEMPLATE } from '@app/templates'
import type { PublicKeyInfo } from '@app/x509'
import type { Issuer } from './issuer.js'
import { prepareFromTemplate, type TemplateContent } from './prepare-certificate.js'
import type { PreparedCertificate } from './prepared-certificate.js'

/** A recovery agent to be. */
export interface RecoveryAgentCertificateOrder {
  readonly issuer: Issuer
  readonly publicKey: PublicKeyInfo
  /** The Name element, not empty. */
  readonly subject: Uint8Array
  readonly serialNumber: Uint8Array
  readonly now: Date
}

/**
 * The certificate that archived keys are sealed to, after the template KeyRecoveryAgent: key encipherment and the
 * purpose 1.3.6.1.4.1.311.21.6 (MS-WCCE 3.2.2.6.2.1.3). The caller has verified the operator who asks for it and that
 * the agent holds the private key. Throws `ca_certificate_invalid` and `lint_failed`.
 */
export function prepareRecoveryAgentCertificate(order: RecoveryAgentCertificateOrder): PreparedCertificate {
  return prepareFromTemplate(recoveryAgentContent(order))
}

/** What {@link prepareRecoveryAgentCertificate} has the template make a certificate of. */
export function recoveryAgentContent(order: RecoveryAgentCertificateOrder): TemplateContent {
  const { subject, ...rest } = order
  const names = { subject, isSubjectEmpty: false, altNames: [] }
  return { ...rest, template: KEY_RECOVERY_AGENT_TEMPLATE, names }
}
