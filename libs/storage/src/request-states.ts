import { REQUEST_STATES, type RequestState } from '@app/core'

/** A condition on `r.state`. Literals, since only they let the planner use an index of the rows in one state. */
export function statesCondition(states: readonly RequestState[] | undefined): string | undefined {
  if (states === undefined) return undefined
  const known = REQUEST_STATES.filter(state => states.includes(state))
  return known.length === 0 ? 'false' : `r.state IN (${known.map(state => `'${state}'`).join(', ')})`
}
