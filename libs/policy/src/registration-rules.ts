import { AppError, isAppError } from '@app/core'
import type { CertificateTemplate } from '@app/templates'
import {
  applicationPoliciesOf,
  issuancePoliciesOf,
  requireGoodCertificate,
  type KnownCertificate
} from './known-certificate.js'

/**
 * Demands the registration authority signatures of a template (MS-WCCE 3.2.2.6.2.1.4.5.1, .3 and .4): enough signers, and
 * each demanded policy in at least one of them. A signer counts when its certificate is good and it is another than the
 * requester, once for each account: nobody vouches for himself, and nobody twice.
 *
 * Throws `signature_policy_required` when none counts, or why when the certificate of the first is not good;
 * `signature_count` for too few, `signature_rejected` for a missing application policy, `issuance_policy_required` for a
 * missing issuance policy.
 */
export function requireRegistrationSigners(
  template: CertificateTemplate,
  signers: readonly KnownCertificate[],
  requesterId: string,
  now: Date
): void {
  const demanded = template.raSignatures
  if (demanded === 0) return
  const others = signers.filter(({ record }) => record?.principalId !== requesterId)
  const good = others.filter(signer => isGood(signer, now))
  const accounts = new Set(good.map(({ record }) => record?.principalId))
  const evidence = { template: template.name, demanded, signers: accounts.size }
  const [first] = others
  if (accounts.size === 0 && first !== undefined) requireGoodCertificate(first, 'The certificate of a signer', now)
  if (accounts.size === 0) {
    throw new AppError(
      'signature_policy_required',
      `The template ${template.name} demands ${demanded} registration authority signatures and the request has none.`,
      evidence
    )
  }
  if (accounts.size < demanded) {
    throw new AppError(
      'signature_count',
      `The template ${template.name} demands ${demanded} registration authority signatures; ${accounts.size} count.`,
      evidence
    )
  }
  requirePolicies(template, good)
}

function isGood(signer: KnownCertificate, now: Date): boolean {
  try {
    requireGoodCertificate(signer, 'signer', now)
    return true
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

function requirePolicies(template: CertificateTemplate, signers: readonly KnownCertificate[]): void {
  const application = new Set(signers.flatMap(({ certificate }) => applicationPoliciesOf(certificate)))
  const lacking = template.raApplicationPolicies.find(oid => !application.has(oid))
  if (lacking !== undefined) {
    throw new AppError(
      'signature_rejected',
      `No registration authority that signed has the application policy ${lacking}, which the template ${template.name} demands.`,
      { template: template.name, policy: lacking }
    )
  }
  const issuance = new Set(signers.flatMap(({ certificate }) => issuancePoliciesOf(certificate)))
  const missing = template.raPolicies.find(oid => !issuance.has(oid))
  if (missing === undefined) return
  throw new AppError(
    'issuance_policy_required',
    `No registration authority that signed has the issuance policy ${missing}, which the template ${template.name} demands.`,
    { template: template.name, policy: missing }
  )
}
