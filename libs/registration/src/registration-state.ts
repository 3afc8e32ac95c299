/** `Status` of a response: how far a registration has come. */
export const REGISTRATION_STATUS = { registered: 0, pending: 1, retry: 2, rejected: 3 } as const

/** A name of {@link REGISTRATION_STATUS}. */
export type RegistrationState = keyof typeof REGISTRATION_STATUS

/** A value of {@link REGISTRATION_STATUS}. */
export type RegistrationStatus = (typeof REGISTRATION_STATUS)[RegistrationState]

/** What the site thinks of a client, beside its registration. */
export const APPROVAL_STATES = ['not_approved', 'approved', 'not_applicable', 'blocked'] as const

/** A member of {@link APPROVAL_STATES}. */
export type ApprovalState = (typeof APPROVAL_STATES)[number]

/** Where a registration may go from each state. `retry` is an answer and no state that is kept. */
const REGISTRATION_MOVES: Readonly<Record<RegistrationState, readonly RegistrationState[]>> = {
  pending: ['registered', 'rejected', 'retry'],
  registered: ['rejected'],
  rejected: [],
  retry: []
}

/** Where an approval may go from each state. A block is lifted to what was there before. */
const APPROVAL_MOVES: Readonly<Record<ApprovalState, readonly ApprovalState[]>> = {
  not_approved: ['approved', 'blocked'],
  approved: ['not_approved', 'blocked'],
  not_applicable: ['blocked'],
  blocked: ['not_approved', 'approved', 'not_applicable']
}

/** Whether a registration may go from one state to another. */
export function mayRegistrationMove(from: RegistrationState, to: RegistrationState): boolean {
  return REGISTRATION_MOVES[from].includes(to)
}

/** Whether an approval may go from one state to another. */
export function mayApprovalMove(from: ApprovalState, to: ApprovalState): boolean {
  return APPROVAL_MOVES[from].includes(to)
}

/** What a client may do with the site. A pending one may do nothing but ask again. */
export interface ClientRights {
  /** Ask for policy and upload inventory. */
  readonly mayTakePart: boolean
  /** Be given secrets, among them a certificate of a CA. */
  readonly mayHaveSecrets: boolean
}

/** The rights of a client by both of its states. */
export function rightsOf(state: RegistrationState, approval: ApprovalState): ClientRights {
  const mayTakePart = state === 'registered' && approval !== 'blocked'
  return { mayTakePart, mayHaveSecrets: mayTakePart && approval !== 'not_approved' }
}

/** How the site approves clients of mixed mode. */
export const APPROVAL_MODES = ['manual', 'trusted_domains', 'all'] as const

/** A member of {@link APPROVAL_MODES}. */
export type ApprovalMode = (typeof APPROVAL_MODES)[number]

/** How a client and its management point talk: in the clear with signed messages, or over TLS on both sides. */
export type SiteMode = 'mixed' | 'native'
