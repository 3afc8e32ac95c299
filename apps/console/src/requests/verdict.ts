import type { DecisionEffect, Permission } from '@app/policy'
import type { Step } from '@app/queue'
import type { NewDecision, RequestMove, RequestToDecide } from '@app/storage'

/** What somebody decides on a request. */
export type Verdict = 'approve' | 'deny' | 'resubmit'

/** Which permission each decision takes (MS-CSRA 3.1.4.1.3, 3.1.4.1.4). */
export const PERMISSION_OF = {
  approve: 'request.decide',
  deny: 'request.decide',
  resubmit: 'request.resubmit'
} as const satisfies Record<Verdict, Permission>

/** The move that a decision causes, in the words that Windows has for it: to approve is to resubmit what is pending. */
export function moveOf(request: RequestToDecide, decision: NewDecision, effect: DecisionEffect): RequestMove {
  const { requestId: id, kind, principalName: by, round, reason } = decision
  const given = reason === null ? {} : { reason }
  switch (kind) {
    case 'approve': {
      const detail = { round, approvals: effect.given, needed: effect.needed, ...given }
      const told = { dispositionMessage: `Resubmitted by ${by}` }
      return { id, from: 'pending', to: 'approved', because: { actor: by, detail }, ...told }
    }
    case 'deny':
      return {
        id,
        from: 'pending',
        to: 'denied',
        because: { actor: by, detail: { round, ...given } },
        failure: { code: 'denied_by_officer', message: `${by} denied the request: ${reason ?? ''}` },
        dispositionMessage: `Denied by ${by}`
      }
    default:
      return {
        id,
        from: request.state,
        to: 'received',
        because: { actor: by, detail: { round: round + 1, ...given } },
        dispositionMessage: `Resubmitted by ${by}`
      }
  }
}

/** The steps that may have something to do after somebody's decision. */
export const EVERY_STEP = ['evaluate', 'seal', 'issue', 'respond'] as const satisfies readonly Step[]

/** The step that has something to do after a decision. */
export function stepsAfter(verdict: Verdict, { carriesKey }: Pick<RequestToDecide, 'carriesKey'>): readonly Step[] {
  switch (verdict) {
    case 'approve':
      return [carriesKey ? 'seal' : 'issue']
    case 'deny':
      return ['respond']
    case 'resubmit':
      return ['evaluate']
  }
}
