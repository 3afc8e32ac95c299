import { asId, SYSTEM_PRINCIPAL, type RequestId } from '@app/core'
import { CertificateStore, DecisionStore, RequestStore, RevocationStore, type RequestMove } from '@app/storage'
import type { TestServer } from './server.js'

/** Decides a pending request by a person who has no other part in it, without the console, and wakes the server. */
export async function decidePending(
  server: TestServer,
  requestId: number,
  to: 'approved' | 'denied',
  changes: Partial<RequestMove> = {}
): Promise<void> {
  const database = await server.database.open('owner')
  const decisions = new DecisionStore(database.dataSource)
  const { row: officer } = await server.addPrincipal()
  const name = 'EXAMPLE\\officer'
  const id = asId<RequestId>(requestId)
  const failure = { code: 'denied_by_officer', message: 'Not now.' }
  await database.transaction(async unit => {
    const { state, round, requesterId } = await decisions.lock(unit, id)
    if (state !== 'pending') throw new Error(`Request ${requestId} was not pending.`)
    const move: RequestMove = {
      id,
      from: 'pending',
      to,
      because: { actor: name },
      ...(to === 'denied' ? { failure, dispositionMessage: `Denied by ${name}` } : {}),
      ...changes
    }
    // What the installation asks for itself is for the person at the machine to approve.
    if (requesterId === SYSTEM_PRINCIPAL) {
      await new RequestStore(database.dataSource).move(move, new Date(), unit)
      return
    }
    const kind = to === 'approved' ? 'approve' : 'deny'
    const by = { principalId: officer.id, principalName: name, at: new Date(), reason: 'Not now.' }
    await decisions.decide(unit, { requestId: id, round, kind, ...by }, move)
  })
  server.running.runtime.wakeups.nudge(to === 'approved' ? 'issue' : 'respond')
}

/** Revokes what was issued for a request, as an officer does. */
export async function revokeCertificateOf(server: TestServer, requestId: number, reason = 1): Promise<void> {
  const { dataSource } = await server.database.open('console')
  const row = await new CertificateStore(dataSource).findByRequest(asId<RequestId>(requestId))
  if (row === undefined) throw new Error(`Nothing was issued for request ${requestId}.`)
  await new RevocationStore(dataSource).revoke(row, { reason }, { actor: 'EXAMPLE\\officer' }, new Date())
}
