import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I12: once the faults are over, everything that was begun comes to its end. */
export const PROGRESS_INVARIANTS: readonly Invariant[] = [
  sqlInvariant(
    'I12',
    'no request waits for a step',
    `SELECT id, state, lease_until, attempts FROM certkeep.request WHERE state IN ('received', 'approved', 'sealed')`
  ),
  sqlInvariant(
    'I12',
    'every request that rests has the response of its state',
    `SELECT r.id, r.state, r.responded_state FROM certkeep.request AS r
     LEFT JOIN certkeep.response AS p ON p.request_id = r.id
     WHERE r.state IN ('pending', 'issued', 'denied', 'failed')
       AND (r.responded_state IS DISTINCT FROM r.state OR p.state IS DISTINCT FROM r.state)`
  ),
  sqlInvariant(
    'I12',
    'no serial number is reserved for a request that is over',
    `SELECT c.request_id, r.state FROM certkeep.certificate AS c JOIN certkeep.request AS r ON r.id = c.request_id
     WHERE c.state = 'reserved' AND r.state NOT IN ('approved', 'sealed')`
  ),
  sqlInvariant(
    'I12',
    'every recovery is prepared, and every released one has its package',
    `SELECT r.id, r.state FROM certkeep.recovery AS r LEFT JOIN certkeep.recovery_package AS k ON k.recovery_id = r.id
     WHERE (r.state IN ('requested', 'approved') AND r.prepared_at IS NULL)
       OR (r.state = 'released' AND (k.recovery_id IS NULL OR (k.to_be_signed AND k.signed IS NULL)))`
  ),
  { id: 'I12', name: 'every client comes to the end of what it is at', find: findStuck }
]

/** The statements of what is still due, for whoever waits for it. */
export const DUE = PROGRESS_INVARIANTS.slice(0, -1)

function findStuck({ history }: Evidence): Promise<readonly string[]> {
  return Promise.resolve(history.of('stuck').map(({ what, why }) => `${what}: ${why}`))
}
