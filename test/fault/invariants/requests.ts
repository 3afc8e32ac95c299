import { sqlInvariant, type Evidence, type Invariant } from './invariant.js'

/** I1, I2 and I11: what a client was told of its requests is so, and stays so. */
export const REQUEST_INVARIANTS: readonly Invariant[] = [
  { id: 'I1', name: 'every request that a client was told of is there', find: findLost },
  sqlInvariant(
    'I2',
    'a request has at most one certificate',
    `SELECT request_id FROM certkeep.certificate WHERE state = 'issued' GROUP BY request_id HAVING count(*) > 1`
  ),
  sqlInvariant(
    'I2',
    'an idempotency key has at most one request',
    `SELECT idempotency_key FROM certkeep.request WHERE idempotency_key IS NOT NULL
     GROUP BY ca_id, requester_id, idempotency_key HAVING count(*) > 1`
  ),
  { id: 'I2', name: 'an idempotency key is answered with one request', find: findTwoAnswers },
  { id: 'I11', name: 'the same response is given again', find: findChangedResponses },
  { id: 'I11', name: 'the response that was given is the one that is stored', find: findUnstoredResponses },
  { id: 'I11', name: 'what was resolved stays resolved so', find: findChangedDispositions }
]

async function findLost({ sql, history }: Evidence): Promise<readonly string[]> {
  const told = [...new Set(history.of('submit').map(({ requestId }) => requestId))]
  const rows = await sql<{ id: number; key: string | null }>(
    'SELECT id, idempotency_key AS key FROM certkeep.request WHERE id = ANY ($1)',
    [told]
  )
  const known = new Map(rows.map(({ id, key }) => [id, key]))
  return history
    .of('submit')
    .filter(({ requestId, key }) => known.get(requestId) !== key)
    .map(({ requestId, key }) => `Request ${requestId}, submitted as ${key}, is not there.`)
}

function findTwoAnswers({ history }: Evidence): Promise<readonly string[]> {
  return differing(
    history.of('submit').map(({ key, requestId }) => [key, String(requestId)]),
    'The idempotency key'
  )
}

function findChangedResponses({ history }: Evidence): Promise<readonly string[]> {
  const responses = history.of('response')
  return differing(
    // A response tells of a state; another state has another one.
    responses.map(({ requestId, disposition, digest }) => [`${requestId} as ${disposition}`, digest]),
    'The response of request'
  )
}

async function findUnstoredResponses({ sql, history }: Evidence): Promise<readonly string[]> {
  const rows = await sql<{ id: number; digest: string }>(
    `SELECT request_id AS id, encode(sha256(full_response), 'hex') AS digest FROM certkeep.response`
  )
  const stored = new Map(rows.map(({ id, digest }) => [id, digest]))
  const last = new Map(history.of('response').map(({ requestId, digest }) => [requestId, digest]))
  return [...last].flatMap(([id, digest]) =>
    stored.get(id) === digest ? [] : [`The response of request ${id} is stored otherwise than it was given.`]
  )
}

const [DENIED, ISSUED, ERROR, REVOKED] = [2, 3, 1, 6]

function findChangedDispositions({ history }: Evidence): Promise<readonly string[]> {
  // An issued certificate may be revoked; nothing here is resubmitted.
  const final = history
    .of('retrieve')
    .filter(({ disposition }) => [DENIED, ISSUED, ERROR, REVOKED].includes(disposition))
    .map(({ requestId, disposition }): readonly [string, string] => [
      String(requestId),
      String(disposition === REVOKED ? ISSUED : disposition)
    ])
  return differing(final, 'The disposition of request')
}

/** The names that come with more than one value. */
function differing(pairs: readonly (readonly [string, string])[], what: string): Promise<readonly string[]> {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of pairs) values.set(name, (values.get(name) ?? new Set()).add(value))
  return Promise.resolve(
    [...values].flatMap(([name, set]) =>
      set.size > 1 ? [`${what} ${name} had ${set.size}: ${[...set].join(', ')}.`] : []
    )
  )
}
