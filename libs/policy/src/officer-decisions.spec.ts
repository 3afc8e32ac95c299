import { asId, isAppError, SYSTEM_PRINCIPAL, type ErrorCode, type RequestId } from '@app/core'
import { describe, expect, it } from 'vitest'
import { judgeDecision, versionOf, type DecidableRequest, type IntendedDecision, type PastDecision } from './index.js'

const at = new Date('2030-05-06T07:08:09Z')
const pending: DecidableRequest = {
  id: asId<RequestId>(17),
  state: 'pending',
  round: 2,
  requesterId: 'requester',
  callerId: 'agent',
  failureCode: null,
  resolvedAt: null,
  isWhole: true,
  approvals: 2
}
const by = (principalId: string, kind: PastDecision['kind'], round = 2): PastDecision => ({
  round,
  kind,
  principalId,
  principalName: `EXAMPLE\\${principalId}`,
  at
})

function refusal(
  intended: IntendedDecision,
  past: readonly PastDecision[] = [],
  changes: Partial<DecidableRequest> = {}
): { readonly code: ErrorCode; readonly message: string } {
  try {
    judgeDecision({ ...pending, ...changes }, past, intended)
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
  throw new Error('the decision was let through')
}

describe('a decision', () => {
  it('is final once as many people have approved as the template demands, in this round', () => {
    const earlier = [by('ann', 'approve', 1), by('bob', 'approve', 1), by('ann', 'resubmit', 1)]
    const approve = { kind: 'approve', principalId: 'ann' } as const
    expect(judgeDecision(pending, earlier, approve)).toEqual({ given: 1, needed: 2, isFinal: false })
    const second = [...earlier, by('bob', 'approve')]
    expect(judgeDecision(pending, second, approve)).toEqual({ given: 2, needed: 2, isFinal: true })
    expect(judgeDecision({ ...pending, approvals: null }, [], approve).isFinal).toBe(true)
  })

  it.each<[string, IntendedDecision, readonly PastDecision[], Partial<DecidableRequest>, ErrorCode]>([
    ['to approve by the requester', { kind: 'approve', principalId: 'requester' }, [], {}, 'approver_excluded'],
    ['to approve by who sent it for another', { kind: 'approve', principalId: 'agent' }, [], {}, 'approver_excluded'],
    ['to approve by its editor', { kind: 'approve', principalId: 'ann' }, [by('ann', 'edit')], {}, 'approver_excluded'],
    ['to approve twice', { kind: 'approve', principalId: 'ann' }, [by('ann', 'approve')], {}, 'conflict'],
    [
      "to approve what is the installation's",
      { kind: 'approve', principalId: 'ann' },
      [],
      { requesterId: SYSTEM_PRINCIPAL },
      'approver_excluded'
    ],
    [
      'to edit what somebody has approved',
      { kind: 'edit', principalId: 'ann' },
      [by('bob', 'approve')],
      {},
      'conflict'
    ],
    ['to deny what is approved', { kind: 'deny', principalId: 'ann' }, [], { state: 'approved' }, 'conflict'],
    ['to resubmit what is pending', { kind: 'resubmit', principalId: 'ann' }, [], {}, 'conflict'],
    [
      'to resubmit what was withdrawn',
      { kind: 'resubmit', principalId: 'ann' },
      [],
      { state: 'denied', failureCode: 'withdrawn' },
      'conflict'
    ],
    [
      'to resubmit what is not kept',
      { kind: 'resubmit', principalId: 'ann' },
      [],
      { state: 'failed', isWhole: false },
      'conflict'
    ],
    [
      'on what has changed',
      { kind: 'approve', principalId: 'ann', version: '17.2.0.pending' },
      [by('bob', 'edit')],
      {},
      'precondition_failed'
    ]
  ])('%s is refused', (_what, intended, past, changes, code) => {
    expect(refusal(intended, past, changes).code).toBe(code)
  })

  it('that comes too late hears who decided and when', () => {
    const late = { kind: 'approve', principalId: 'ann' } as const
    const denied = refusal(late, [by('bob', 'deny')], { state: 'denied', resolvedAt: at })
    expect(denied.message).toContain('denied by EXAMPLE\\bob at 2030-05-06T07:08:09.000Z')
    const issued = refusal(late, [by('cid', 'approve'), by('bob', 'approve')], { state: 'issued' })
    expect(issued.message).toContain('approved by EXAMPLE\\bob at')
    const withdrawn = refusal(late, [], { state: 'denied', failureCode: 'withdrawn', resolvedAt: at })
    expect(withdrawn.message).toContain('withdrew it at 2030')
  })
})

describe('the version of a request', () => {
  it('is another after every decision and every move', () => {
    const versions = [
      versionOf(pending, 0),
      versionOf(pending, 1),
      versionOf({ ...pending, state: 'approved' }, 1),
      versionOf({ ...pending, round: 3 }, 1)
    ]
    expect(new Set(versions).size).toBe(4)
    expect(judgeDecision(pending, [], { kind: 'deny', principalId: 'ann', version: versions[0]! }).isFinal).toBe(true)
  })
})
