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
import { requireAgent, requireAgentScope, type OnBehalfToJudge } from './agent-rules.js'
import { certificateNames } from './certificate-names.js'
import { requireAllowedKey } from './key-rules.js'
import type { KnownCertificate } from './known-certificate.js'
import { requireRegistrationSigners } from './registration-rules.js'
import {
  isApprovedBefore,
  isArchivedBefore,
  requireKeyBasedRenewal,
  requireRenewal,
  requireSoundRenewal,
  type RenewalToJudge
} from './renewal-rules.js'
import type { RequestToJudge } from './request-to-judge.js'
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
  /** Those who signed the request besides its own key, each signature verified. */
  readonly signers?: readonly KnownCertificate[]
  readonly renewal?: RenewalToJudge
  /**
   * Whether nothing but the key of the old certificate authenticates the requester (CR_IN_ROBO, MS-WCCE 3.2.1.4.2.1.4):
   * then the request must renew, by a template that lets it.
   */
  readonly isKeyBased?: boolean
  readonly onBehalfOf?: OnBehalfToJudge
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
 * (MS-WCCE 3.2.1.4.2.1.4 and 3.2.2.6.2.1.4): enroll right at the CA, the certificate to renew or of the enrollment agent,
 * template and version, enroll right on the template, its safety, what it asks of renewals and agents, registration
 * authority signatures, key, names, archival, approval. The first that fails decides.
 */
export function decide(input: DecisionInput): Decision {
  const { request, requester, renewal, onBehalfOf, now } = input
  let template: CertificateTemplate | undefined
  let isApproved = input.isApprovedByOfficer === true
  try {
    requireCaAccess(input)
    if (renewal !== undefined) requireSoundRenewal(renewal, requester.id, now)
    if (onBehalfOf !== undefined) requireAgent(onBehalfOf, now)
    template = resolveTemplate(request.template, input.offered)
    requireTemplateAccess(template, requester)
    requireSafeTemplate(template)
    if (renewal !== undefined) requireRenewal(template, request, renewal)
    if (input.isKeyBased === true) requireKeyBasedRenewal(template, requester, request, renewal)
    if (onBehalfOf !== undefined) requireAgentScope(template, requester, onBehalfOf)
    const wasApproved = isApprovedBefore(template, requester, request, renewal)
    isApproved ||= wasApproved
    if (!wasApproved) requireRegistrationSigners(template, input.signers ?? [], requester.id, now)
    requireAllowedKey(template, request)
    requireUnusedKey(input)
    certificateNames(template, requester, request, renewal?.old.certificate)
    requireArchival(template, input)
    requireCaValidity(input)
  } catch (error) {
    if (!isAppError(error) || error.code === 'internal') throw error
    return { verdict: 'deny', code: error.code, message: error.message, template }
  }
  if (isPendingAlways(template) && !isApproved) {
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

function requireUnusedKey({ keyOwner, requester }: DecisionInput): void {
  if (keyOwner === undefined || keyOwner === requester.id) return
  throw new AppError('key_in_use', 'The public key has been certified for another principal; make a new key.')
}

function requireArchival(template: CertificateTemplate, input: DecisionInput): void {
  const { hasArchivedKey, ca, request, renewal } = input
  const evidence = { template: template.name }
  if (!isArchivalRequired(template)) {
    if (!hasArchivedKey) return
    throw new AppError(
      'archived_key_unexpected',
      `The request carries a private key to archive, and the template ${template.name} does not ask for it.`,
      evidence
    )
  }
  if (!hasArchivedKey && isArchivedBefore(template, request, renewal)) return
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
