import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { ENROLLMENT_FLAG, isFlagSet, type CertificateTemplate } from '@app/templates'
import { applicationPoliciesOf, requireGoodCertificate, type KnownCertificate } from './known-certificate.js'
import { OPERATORS_GROUP } from './operator-roles.js'
import { accountOf, isMemberOfAny, type Requester } from './requester.js'

/** That an agent may enroll the members of one group for one template. */
export interface AgentScope {
  readonly templateName: string
  readonly subjectGroup: string
}

/** A request on behalf of another. */
export interface OnBehalfToJudge {
  /** The certificates of those whose verified signatures cover the name of the account. */
  readonly signers: readonly KnownCertificate[]
  /** Who submitted the request, as an id of {@link Requester}. */
  readonly callerId: string
  /** What the caller has been allowed. Nothing when it is empty. */
  readonly scopes: readonly AgentScope[]
}

/**
 * Demands that an enrollment agent made a request on behalf of another, and submitted it itself: one whose signature
 * covers the account's name, whose certificate is good and has the enrollment agent usage (MS-WCCE 3.2.1.4.2.1.4).
 * Throws `signature_policy_required` when nobody but the requested key signed, what {@link requireGoodCertificate}
 * throws, `agent_usage`, or `agent_restricted` when the agent's certificate is another's than the caller's.
 */
export function requireAgent({ signers, callerId }: Pick<OnBehalfToJudge, 'signers' | 'callerId'>, now: Date): void {
  const [first] = signers
  if (first === undefined) {
    throw new AppError(
      'signature_policy_required',
      'The request is on behalf of another account, and no enrollment agent signed it.'
    )
  }
  const agents = signers.filter(isAgent)
  const agent = agents.find(({ record }) => record?.principalId === callerId) ?? agents[0] ?? first
  requireGoodCertificate(agent, 'The certificate of the enrollment agent', now)
  if (!isAgent(agent)) {
    throw new AppError(
      'agent_usage',
      `Who signed for another account has no enrollment agent certificate (usage ${OID.szOID_ENROLLMENT_AGENT}).`,
      { serialNumber: agent.certificate.serialHex }
    )
  }
  if (agent.record?.principalId === callerId) return
  throw new AppError(
    'agent_restricted',
    'The request is signed by an enrollment agent and submitted by another account. The agent must submit it itself.',
    { serialNumber: agent.certificate.serialHex }
  )
}

function isAgent({ certificate }: KnownCertificate): boolean {
  return applicationPoliciesOf(certificate).includes(OID.szOID_ENROLLMENT_AGENT)
}

/**
 * Demands that the agent may enroll for this template and this account: the template takes agents at all, and one of the
 * agent's scopes has both. Throws `agent_restricted`, for an agent that enrolls for itself too.
 */
export function requireAgentScope(
  template: CertificateTemplate,
  requester: Requester,
  { callerId, scopes }: Pick<OnBehalfToJudge, 'callerId' | 'scopes'>
): void {
  const evidence = { template: template.name, account: accountOf(requester) }
  if (!isFlagSet(template.enrollmentFlags, ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF)) {
    throw new AppError('agent_restricted', `The template ${template.name} takes no enrollment agents.`, evidence)
  }
  if (requester.id === callerId) {
    throw new AppError('agent_restricted', 'An enrollment agent does not enroll on behalf of itself.', evidence)
  }
  if (isInAgentScope(scopes, { template: template.name, groups: requester.groups })) return
  throw new AppError(
    'agent_restricted',
    `The enrollment agent may not enroll ${accountOf(requester)} for the template ${template.name}.`,
    evidence
  )
}

/**
 * Whether one of an enrollment agent's scopes has the template and a group of the subject; without any, none has. An
 * account that holds a role is in no scope but one for {@link OPERATORS_GROUP}: whoever has a certificate of an operator
 * may sign in as one, and decide on requests of its own. Names are compared without regard to case.
 */
export function isInAgentScope(
  scopes: readonly AgentScope[],
  { template, groups }: { readonly template: string; readonly groups: readonly string[] }
): boolean {
  const isOperator = isMemberOfAny({ groups }, [OPERATORS_GROUP])
  return scopes.some(
    ({ templateName, subjectGroup }) =>
      templateName.toLowerCase() === template.toLowerCase() &&
      (isOperator ? isOperatorsGroup(subjectGroup) : isMemberOfAny({ groups }, [subjectGroup]))
  )
}

function isOperatorsGroup(group: string): boolean {
  return group.toLowerCase() === OPERATORS_GROUP.toLowerCase()
}
