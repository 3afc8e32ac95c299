import { expect, it } from 'vitest'
import { REQUEST_STATES } from '@app/core'
import { isAnswerDue, isResolved, isSettled } from './request-view.js'

it('a request has an answer due from its decision until the signed response says the same', () => {
  const after = (state: (typeof REQUEST_STATES)[number]) => ({ state, respondedState: 'pending' }) as const
  expect(REQUEST_STATES.filter(state => isAnswerDue(after(state)))).toEqual(['issued', 'denied', 'failed'])
  expect(REQUEST_STATES.filter(state => isAnswerDue({ state, respondedState: state }))).toEqual([])
  expect(REQUEST_STATES.filter(state => isSettled(after(state)))).toEqual(['pending', 'revoked'])
  expect(isResolved(after('pending'))).toBe(false)
})
