import { asId, type RequestId } from '@app/core'
import { CertificateStore, RequestStore, type RequestMove } from '@app/storage'
import type { TestServer } from './server.js'

/** Decides a pending request as an officer does, and wakes the server. */
export async function decidePending(
  server: TestServer,
  requestId: number,
  to: 'approved' | 'denied',
  changes: Partial<RequestMove> = {}
): Promise<void> {
  const requests = new RequestStore((await server.database.open('owner')).dataSource)
  const failure = { code: 'denied_by_officer', message: 'Not now.' }
  const move: RequestMove = {
    id: asId<RequestId>(requestId),
    from: 'pending',
    to,
    because: { actor: 'EXAMPLE\\officer' },
    ...(to === 'denied' ? { failure, dispositionMessage: 'Denied by EXAMPLE\\officer' } : {}),
    ...changes
  }
  if (!(await requests.move(move, new Date()))) throw new Error(`Request ${requestId} was not pending.`)
  server.running.runtime.wakeups.nudge(to === 'approved' ? 'issue' : 'respond')
}

/** Revokes what was issued for a request, as the authority does. */
export async function revokeCertificateOf(server: TestServer, requestId: number, reason = 1): Promise<void> {
  const certificates = new CertificateStore((await server.database.open('authority')).dataSource)
  const row = await certificates.findByRequest(asId<RequestId>(requestId))
  if (row === undefined) throw new Error(`Nothing was issued for request ${requestId}.`)
  const { caId, serialNumber } = row
  if (!(await certificates.revoke({ caId, serialNumber }, reason, { actor: 'EXAMPLE\\officer' }, new Date()))) {
    throw new Error(`The certificate of request ${requestId} could not be revoked.`)
  }
}
