import { describe, expect, it } from 'vitest'
import { dispositionOf, DISPOSITIONS, isLegalMove, isUnresolved, REQUEST_STATES } from './request-state.js'

describe('the states of a request', () => {
  it('are told to clients as the dispositions of ICertRequest', () => {
    const told = REQUEST_STATES.map(state => [state, DISPOSITIONS[dispositionOf(state, false)]])
    expect(Object.fromEntries(told)).toEqual({
      received: 5,
      pending: 5,
      approved: 0,
      sealed: 0,
      issued: 3,
      denied: 2,
      failed: 1,
      revoked: 6
    })
    expect(DISPOSITIONS[dispositionOf('issued', true)]).toBe(4)
  })

  it('never lead from a refusal or an unsealed decision straight to a certificate', () => {
    for (const state of ['received', 'pending', 'denied', 'failed'] as const) {
      expect(isLegalMove(state, 'issued')).toBe(false)
    }
    for (const state of ['denied', 'failed'] as const) {
      expect(REQUEST_STATES.filter(to => isLegalMove(state, to))).toEqual(['received'])
    }
  })

  it('are unresolved until a client has its answer', () => {
    expect(REQUEST_STATES.filter(isUnresolved)).toEqual(['received', 'pending', 'approved', 'sealed'])
  })
})
