import { AppError, isAppError, type ErrorCode } from '@app/core'
import {
  isArchivalRequired,
  isForMachines,
  isPendingAlways,
  isSubjectFromRequest,
  requireSafeTemplate,
  resolveTemplate,
  type CertificateTemplate
} from '@app/templates'
import { certificateNames } from './certificate-names.js'
import { requireAllowedKey } from './key-rules.js'
import type { RegistrationSigner, RequestToJudge } from './request-to-judge.js'
import { accountOf, isMemberOfAny, type Requester } from './requester.js'

/** What the policy needs to know of the CA. */
export interface CaFacts {
  readonly name: string
  /** Last second of the CA certificate's validity. */
  readonly notAfter: Date
  /** Names of the groups that may enroll at this CA at all; absent: whoever a template lets. */
  readonly enroll?: readonly string[]
  /** How many recovery agent certificates are usable now; absent: archival is not set up. */
  readonly recoveryAgents?: number
}

/** One request to judge, with everything that the judgement rests on. */
export interface DecisionInput {
  readonly request: RequestToJudge
  /** Whether the request brought a private key to archive, which is kept apart from it. */
  readonly hasArchivedKey: boolean
  readonly requester: Requester
  /** The active templates that the CA offers. */
  readonly offered: readonly CertificateTemplate[]
  readonly ca: CaFacts
  readonly now: Date
  /** Whether an officer has approved the request: then it is not held again, and everything else still counts. */
  readonly isApprovedByOfficer?: boolean
  /** Registration authorities whose signatures on the request are verified. */
  readonly registrationSigners?: readonly RegistrationSigner[]
  /** Whom else the public key has been certified for, as an id of {@link Requester}. */
  readonly keyOwner?: string
}

/** The judgement on a request. A denial has its code and, once it is known, the template. */
export type Decision =
  | { readonly verdict: 'approve'; readonly message: string; readonly template: CertificateTemplate }
  | { readonly verdict: 'hold'; readonly message: string; readonly template: CertificateTemplate }
  | {
      readonly verdict: 'deny'
      readonly code: ErrorCode
      readonly message: string
      readonly template: CertificateTemplate | undefined
    }

/**
 * Judges one request: nothing but its arguments counts. The checks run in the order of an enterprise CA
 * (MS-WCCE 3.2.2.6.2.1.4): enroll right at the CA, template and version, enroll right on the template, its safety,
 * registration authority signatures, key, names, archival, approval. The first that fails decides.
 */
export function decide(input: DecisionInput): Decision {
  let template: CertificateTemplate | undefined
  try {
    requireCaAccess(input)
    template = resolveTemplate(input.request.template, input.offered)
    requireTemplateAccess(template, input.requester)
    requireSafeTemplate(template)
    requireRegistrationSigners(template, input.registrationSigners ?? [])
    requireAllowedKey(template, input.request)
    requireUnusedKey(input)
    certificateNames(template, input.requester, input.request)
    requireArchival(template, input)
    requireCaValidity(input)
  } catch (error) {
    if (!isAppError(error) || error.code === 'internal') throw error
    return { verdict: 'deny', code: error.code, message: error.message, template }
  }
  if (isPendingAlways(template) && input.isApprovedByOfficer !== true) {
    return { verdict: 'hold', message: `The template ${template.name} has an officer approve each request.`, template }
  }
  return { verdict: 'approve', message: `The request satisfies the template ${template.name}.`, template }
}

function requireCaAccess({ ca, requester }: DecisionInput): void {
  if (ca.enroll === undefined || isMemberOfAny(requester, ca.enroll)) return
  throw new AppError('enroll_denied', `${accountOf(requester)} may not enroll at ${ca.name}.`, {
    account: accountOf(requester),
    ca: ca.name
  })
}

function requireTemplateAccess(template: CertificateTemplate, requester: Requester): void {
  const evidence = { account: accountOf(requester), template: template.name }
  if (!isMemberOfAny(requester, template.enroll)) {
    throw new AppError(
      'template_denied',
      `${accountOf(requester)} is in no group that may enroll for the template ${template.name}.`,
      evidence
    )
  }
  // Where the names come from the request, it does not matter of what kind the account is (3.2.2.6.2.1.4.4.1).
  const isRightKind = isForMachines(template) === (requester.kind === 'computer')
  if (isRightKind || isSubjectFromRequest(template)) return
  throw new AppError(
    'template_denied',
    `The template ${template.name} is for ${isForMachines(template) ? 'computers' : 'users'}, and ` +
      `${accountOf(requester)} is a ${requester.kind}.`,
    evidence
  )
}

/** MS-WCCE 3.2.2.6.2.1.4.5.1, .3 and .4: enough signers, and each demanded policy in at least one of them. */
function requireRegistrationSigners(template: CertificateTemplate, signers: readonly RegistrationSigner[]): void {
  if (template.raSignatures === 0) return
  const lacksPolicy =
    template.raApplicationPolicies.some(oid => !signers.some(signer => signer.applicationPolicies.includes(oid))) ||
    template.raPolicies.some(oid => !signers.some(signer => signer.issuancePolicies.includes(oid)))
  if (signers.length >= template.raSignatures && !lacksPolicy) return
  throw new AppError(
    'signature_policy_required',
    `The template ${template.name} demands ${template.raSignatures} registration authority signatures` +
      `${lacksPolicy ? ' with policies that the signers lack' : ''}; the request has ${signers.length}.`,
    { template: template.name, demanded: template.raSignatures, signers: signers.length }
  )
}

function requireUnusedKey({ keyOwner, requester }: DecisionInput): void {
  if (keyOwner === undefined || keyOwner === requester.id) return
  throw new AppError('key_in_use', 'The public key has been certified for another principal; make a new key.')
}

function requireArchival(template: CertificateTemplate, { hasArchivedKey, ca }: DecisionInput): void {
  const evidence = { template: template.name }
  if (!isArchivalRequired(template)) {
    if (!hasArchivedKey) return
    throw new AppError(
      'archived_key_unexpected',
      `The request carries a private key to archive, and the template ${template.name} does not ask for it.`,
      evidence
    )
  }
  if (!hasArchivedKey) {
    throw new AppError(
      'archived_key_required',
      `The template ${template.name} demands that the private key is archived; the request carries none.`,
      evidence
    )
  }
  if (ca.recoveryAgents === undefined) {
    throw new AppError('archival_not_configured', `${ca.name} has no key archival set up.`, { ca: ca.name })
  }
  const demanded = template.archival?.agentCount ?? 1
  if (ca.recoveryAgents >= demanded) return
  throw new AppError(
    'no_valid_recovery_agent',
    `Keys of the template ${template.name} are sealed to ${demanded} recovery agents; ${ca.recoveryAgents} are usable.`,
    { ...evidence, demanded, usable: ca.recoveryAgents }
  )
}

function requireCaValidity({ ca, now }: DecisionInput): void {
  if (ca.notAfter.getTime() > now.getTime()) return
  throw new AppError('ca_certificate_invalid', `The certificate of ${ca.name} has expired; renew it.`, { ca: ca.name })
}
