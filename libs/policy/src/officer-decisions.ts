import { AppError, SYSTEM_PRINCIPAL, type RequestId, type RequestState } from '@app/core'

/** What somebody may do to a request that waits, or waited, for a decision. */
export type DecisionKind = 'approve' | 'deny' | 'resubmit' | 'edit'

/** A request as a decision on it is judged. */
export interface DecidableRequest {
  readonly id: RequestId
  readonly state: RequestState
  readonly round: number
  readonly requesterId: string | null
  /** Who sent it for somebody else. */
  readonly callerId: string | null
  readonly failureCode: string | null
  readonly resolvedAt: Date | null
  /** Whether its bytes and the archived key that came with it are still there. */
  readonly isWhole: boolean
  /** How many people must approve it. */
  readonly approvals: number | null
}

/** An earlier decision on a request. */
export interface PastDecision {
  readonly round: number
  readonly kind: DecisionKind
  readonly principalId: string
  readonly principalName: string
  readonly at: Date
}

/** What is to be done, and by whom. */
export interface IntendedDecision {
  readonly kind: DecisionKind
  readonly principalId: string
  /** What the one who decides looked at, see {@link versionOf}; undefined when that does not matter. */
  readonly version?: string
}

/** How a decision, if it is made, changes its request. */
export interface DecisionEffect {
  /** How many have approved the round, the one who decides among them. */
  readonly given: number
  readonly needed: number
  /** Whether the request moves on. */
  readonly isFinal: boolean
}

/** Names what a request is now: every decision, every edit and every move makes it another. */
export function versionOf(request: Pick<DecidableRequest, 'id' | 'state' | 'round'>, decisions: number): string {
  return `${request.id}.${request.round}.${decisions}.${request.state}`
}

/**
 * Whether a decision may be made, and what it comes to. The rights of whoever decides are judged elsewhere. Throws
 * `precondition_failed` when the request is not what was looked at any more, `conflict` when it is not in a state to be
 * decided so, with who decided it and when (CERTSRV_E_BAD_REQUESTSTATUS), and `approver_excluded` for an approval by
 * whoever made or edited the request.
 */
export function judgeDecision(
  request: DecidableRequest,
  past: readonly PastDecision[],
  intended: IntendedDecision
): DecisionEffect {
  const round = past.filter(decision => decision.round === request.round)
  const approvals = round.filter(({ kind }) => kind === 'approve')
  const needed = request.approvals ?? 1
  requireVersion(request, past, intended)
  if (intended.kind === 'resubmit') requireResubmittable(request, past)
  else requirePending(request, past)
  if (intended.kind === 'edit') requireUnapproved(request, approvals)
  if (intended.kind !== 'approve') return { given: approvals.length, needed, isFinal: intended.kind !== 'edit' }
  requireOtherApprover(request, round, intended)
  const given = approvals.length + 1
  return { given, needed, isFinal: given >= needed }
}

function requireVersion(request: DecidableRequest, past: readonly PastDecision[], { version }: IntendedDecision): void {
  if (version === undefined || version === versionOf(request, past.length)) return
  throw new AppError(
    'precondition_failed',
    `Request ${request.id} is not as you have seen it any more: ${describeState(request, past)} Look at it again.`,
    { state: request.state }
  )
}

function requirePending(request: DecidableRequest, past: readonly PastDecision[]): void {
  if (request.state === 'pending') return
  throw new AppError('conflict', `Request ${request.id} waits for no decision: ${describeState(request, past)}`, {
    state: request.state
  })
}

function requireResubmittable(request: DecidableRequest, past: readonly PastDecision[]): void {
  const { id, state, failureCode, isWhole } = request
  if (state !== 'denied' && state !== 'failed') {
    throw new AppError('conflict', `Request ${id} cannot be resubmitted: ${describeState(request, past)}`, { state })
  }
  if (failureCode === 'withdrawn') {
    throw new AppError('conflict', `Request ${id} cannot be resubmitted: its requester took it back.`, { state })
  }
  if (isWhole) return
  throw new AppError(
    'conflict',
    `Request ${id} cannot be resubmitted: its bytes, or the archived key that came with it, are not kept any more.`,
    { state }
  )
}

/** Who has approved it has approved what it was. */
function requireUnapproved(request: DecidableRequest, approvals: readonly PastDecision[]): void {
  const [first] = approvals
  if (first === undefined) return
  throw new AppError(
    'conflict',
    `Request ${request.id} was approved ${byWhom(first)} as it is, and is not edited any more. Deny it instead.`,
    { state: request.state }
  )
}

function requireOtherApprover(
  { id, requesterId, callerId }: DecidableRequest,
  round: readonly PastDecision[],
  { principalId }: IntendedDecision
): void {
  const own = round.filter(decision => decision.principalId === principalId)
  const refuse = (message: string): never => {
    throw new AppError('approver_excluded', `${message} Somebody else has to approve request ${id}.`, { requestId: id })
  }
  if (requesterId === SYSTEM_PRINCIPAL) {
    refuse('What the installation asks for itself is approved by the administrator at its machine.')
  }
  if (principalId === requesterId) refuse('You have made this request.')
  if (principalId === callerId) refuse('You have sent this request for its requester.')
  if (own.some(({ kind }) => kind === 'edit')) refuse('You have edited this request.')
  const earlier = own.find(({ kind }) => kind === 'approve')
  if (earlier === undefined) return
  throw new AppError('conflict', `You have approved request ${id} already, at ${earlier.at.toISOString()}.`, {
    requestId: id
  })
}

/** What has become of a request and, where a person decided it, who and when. */
function describeState(request: DecidableRequest, past: readonly PastDecision[]): string {
  const { state, failureCode, resolvedAt, round } = request
  const of = (kind: DecisionKind): PastDecision | undefined =>
    past.findLast(decision => decision.kind === kind && decision.round === round)
  const when = resolvedAt === null ? '' : ` at ${resolvedAt.toISOString()}`
  switch (state) {
    case 'pending': {
      const last = past.at(-1)
      const verbs = { approve: 'approved', deny: 'denied', resubmit: 'resubmitted', edit: 'edited' } as const
      return last === undefined ? 'it is pending.' : `it was ${verbs[last.kind]} ${byWhom(last)} and is pending.`
    }
    case 'received': {
      const resubmission = past.findLast(({ kind }) => kind === 'resubmit')
      return resubmission === undefined ? 'it is being evaluated.' : `it was resubmitted ${byWhom(resubmission)}.`
    }
    case 'denied': {
      const denial = of('deny')
      if (denial !== undefined) return `it was denied ${byWhom(denial)}.`
      if (failureCode === 'withdrawn') return `its requester withdrew it${when}.`
      return failureCode === 'pending_expired' ? `it had waited too long${when}.` : `the policy denied it${when}.`
    }
    case 'failed':
      return `it failed${when}.`
    default: {
      const approval = of('approve')
      return approval === undefined ? 'the policy approved it.' : `it was approved ${byWhom(approval)}.`
    }
  }
}

function byWhom({ principalName, at }: PastDecision): string {
  return `by ${principalName} at ${at.toISOString()}`
}
