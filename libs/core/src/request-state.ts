/** The states of a request's row. */
export const REQUEST_STATES = [
  'received',
  'pending',
  'approved',
  'sealed',
  'issued',
  'denied',
  'failed',
  'revoked'
] as const

/** A state of {@link REQUEST_STATES}. */
export type RequestState = (typeof REQUEST_STATES)[number]

/**
 * Every legal move of a request. Anything else is refused by the store and by the database. Back to `received` is a
 * resubmission: the request is evaluated anew and needs its approvals again.
 */
export const REQUEST_MOVES = {
  received: ['pending', 'approved', 'denied', 'failed'],
  pending: ['approved', 'denied', 'failed'],
  approved: ['sealed', 'issued', 'failed'],
  sealed: ['issued', 'failed'],
  issued: ['revoked'],
  denied: ['received'],
  failed: ['received'],
  revoked: ['issued']
} as const satisfies Record<RequestState, readonly RequestState[]>

/** Whether a request may go from one state to the other. */
export function isLegalMove(from: RequestState, to: RequestState): boolean {
  return (REQUEST_MOVES[from] as readonly RequestState[]).includes(to)
}

/** What a client is told of its request (certsrv.h, CR_DISP_*). */
export const DISPOSITIONS = {
  incomplete: 0,
  error: 1,
  denied: 2,
  issued: 3,
  issued_out_of_band: 4,
  under_submission: 5,
  revoked: 6
} as const

/** A name of {@link DISPOSITIONS}. */
export type DispositionName = keyof typeof DISPOSITIONS

/** Whether a request in this state has no decision or no certificate yet. */
export function isUnresolved(state: RequestState): boolean {
  return state === 'received' || state === 'pending' || state === 'approved' || state === 'sealed'
}

/**
 * The disposition of a request as a status query tells it (MS-WCCE 3.2.1.4.2.1.3). A request that has been approved
 * and waits for its certificate is incomplete; one that waits for a decision is under submission.
 */
export function dispositionOf(state: RequestState, outOfBand: boolean): DispositionName {
  switch (state) {
    case 'received':
    case 'pending':
      return 'under_submission'
    case 'approved':
    case 'sealed':
      return 'incomplete'
    case 'issued':
      return outOfBand ? 'issued_out_of_band' : 'issued'
    case 'denied':
      return 'denied'
    case 'failed':
      return 'error'
    case 'revoked':
      return 'revoked'
  }
}
