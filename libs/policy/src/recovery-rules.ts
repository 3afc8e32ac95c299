import { AppError } from '@app/core'

/** A recovery as far as its rules look at it. */
export interface JudgedRecovery {
  readonly id: number
  readonly state: 'requested' | 'approved' | 'released' | 'refused' | 'withdrawn' | 'expired'
  readonly requesterId: string
  readonly requesterName: string
  readonly mode: 'any-agent' | 'threshold'
  /** How many people must approve. */
  readonly quorum: number
  readonly expiresAt: Date
  readonly releaseUntil: Date | null
  readonly releasedAt: Date | null
  readonly closedBy: string | null
  readonly closedAt: Date | null
}

/** An approval as far as the rules look at it. */
export interface JudgedApproval {
  readonly agentId: number
  readonly principalId: string
  readonly at: Date
}

/** An agent that a key is sealed to. */
export interface JudgedAgent {
  readonly agentId: number
  /** Who holds its key; null is nobody who could approve. */
  readonly principalId: string | null
  /** Whether it is in use, valid and not revoked by this installation. */
  readonly usable: boolean
}

/**
 * Throws unless a person may approve a recovery now: `conflict` for one that is released or ended, `recovery_expired`
 * after its time, `approver_excluded` for whoever asked for it and for who has approved it already.
 */
export function requireApprovable(
  recovery: JudgedRecovery,
  past: readonly JudgedApproval[],
  principalId: string,
  now: Date
): void {
  requireOpen(recovery, now)
  const { id, requesterId } = recovery
  const exclude = (why: string): never => {
    throw new AppError('approver_excluded', `${why} Somebody else has to approve recovery ${id}.`, { recoveryId: id })
  }
  if (principalId === requesterId) exclude('You have asked for this recovery.')
  const earlier = past.find(approval => approval.principalId === principalId)
  if (earlier !== undefined) exclude(`You have approved this recovery at ${earlier.at.toISOString()}.`)
}

/**
 * The agent that a person approves with: the one that is named, or the only one that the person could. Throws
 * `access_denied` when the key is sealed to no agent of the person's that can be used, or not to the one named;
 * `invalid_argument` when there are several.
 */
export function chooseAgent(
  agents: readonly JudgedAgent[],
  principalId: string,
  wanted: number | undefined
): JudgedAgent {
  const own = agents.filter(agent => agent.principalId === principalId && agent.usable)
  const fitting = own.filter(({ agentId }) => wanted === undefined || wanted === agentId)
  const [only, ...others] = fitting
  if (only === undefined) {
    throw new AppError(
      'access_denied',
      'The key is sealed to no agent of yours that is in use, valid and not revoked; an administrator at the machine says whose key an agent has.'
    )
  }
  if (others.length === 0) return only
  const numbers = own.map(({ agentId }) => agentId).join(', ')
  throw new AppError('invalid_argument', `The key is sealed to several agents of yours: ${numbers}. Name one.`)
}

/** Throws `conflict` for a recovery that is released or ended, `recovery_expired` after its time. */
export function requireOpen(recovery: JudgedRecovery, now: Date): void {
  const { id, state, expiresAt, releaseUntil } = recovery
  if (state !== 'requested' && state !== 'approved') throw closed(recovery)
  const until = releaseUntil ?? expiresAt
  if (now < until) return
  throw new AppError(
    'recovery_expired',
    `Recovery ${id} had time until ${until.toISOString()}. Ask for the key anew.`,
    {
      recoveryId: id
    }
  )
}

/**
 * Throws unless a recovery may be released now: `access_denied` for somebody else than who asked, `conflict` when it was
 * released or has ended, `recovery_expired` after its time, `recovery_approvals_missing` while fewer approvals count than
 * must. `counting` is how many of them count now.
 */
export function requireReleasable(recovery: JudgedRecovery, principalId: string, counting: number, now: Date): void {
  requireOwnRecovery(recovery, principalId)
  requireOpen(recovery, now)
  requireCounting(recovery, counting)
}

/** Throws `access_denied` for somebody else than who asked for the recovery. */
export function requireOwnRecovery({ id, requesterId, requesterName }: JudgedRecovery, principalId: string): void {
  if (principalId === requesterId) return
  throw new AppError('access_denied', `Recovery ${id} is ${requesterName}’s; nobody else releases or withdraws it.`, {
    recoveryId: id
  })
}

/** Throws unless what was released may be fetched now: `conflict` before the release, `recovery_expired` after the time. */
export function requireFetchable(recovery: JudgedRecovery, principalId: string, now: Date): void {
  requireOwnRecovery(recovery, principalId)
  const { id, state, releaseUntil } = recovery
  if (state === 'requested' || state === 'approved') {
    throw new AppError('conflict', `Recovery ${id} is ${state}, and nothing is handed out before it is released.`, {
      state
    })
  }
  if (state !== 'released' || releaseUntil === null) throw closed(recovery)
  if (now <= releaseUntil) return
  throw new AppError(
    'recovery_expired',
    `Recovery ${id} could be fetched until ${releaseUntil.toISOString()}. Ask for the key anew; agents have to approve again.`,
    { recoveryId: id }
  )
}

function requireCounting({ id, quorum }: JudgedRecovery, counting: number): void {
  if (counting >= quorum) return
  throw new AppError(
    'recovery_approvals_missing',
    `${quorum} must approve recovery ${id}, and the approvals of ${counting} count at the moment. Those of agents that were retired or revoked or have expired, and of people who lost the role or were disabled, do not.`,
    { recoveryId: id, needed: quorum, given: counting }
  )
}

function closed({ id, state, releasedAt, closedAt, closedBy }: JudgedRecovery): AppError {
  const when = (releasedAt ?? closedAt)?.toISOString() ?? 'earlier'
  const by = state === 'released' || closedBy === null ? '' : ` by ${closedBy}`
  return new AppError('conflict', `Recovery ${id} was ${state}${by} at ${when}, which is final.`, { state })
}
