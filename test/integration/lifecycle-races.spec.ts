import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import { isAppError } from '@app/core'
import { decidePending, revokeCertificateOf } from '../helpers/decisions.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { tracesOf, verifiedResponse } from '../helpers/request-outcomes.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer()
  client = server.connect(await server.addPrincipal({ kind: 'computer' }))
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

/** As many requests that wait for an officer. */
async function pendingRequests(count: number): Promise<readonly number[]> {
  const ids: number[] = []
  for (let made = 0; made < count; made++) {
    expect(await client.submit(await webServerRequest())).toBe(5)
    ids.push(client.requestId)
  }
  return ids
}

/** Whether an action won; losing against another one is no error. */
async function wins(action: Promise<unknown>): Promise<boolean> {
  try {
    await action
    return true
  } catch (error) {
    if (isAppError(error, 'conflict') || /was not pending/.test(String(error))) return false
    throw error
  }
}

describe('an approval, a denial and a withdrawal at the same time', () => {
  it('come to one decision, and only an approved request gets a certificate', async () => {
    const ids = await pendingRequests(12)
    const decided = await Promise.all(
      ids.map(async (id, index) => {
        const rivals = [
          () => wins(decidePending(server, id, 'approved')),
          () => wins(client.withdraw(id)),
          () => wins(decidePending(server, id, 'denied'))
        ]
        // Each takes its turn at being the first to be sent.
        const turned = [...rivals.slice(index % 3), ...rivals.slice(0, index % 3)]
        const won = await Promise.all(turned.map(rival => rival()))
        expect(won.filter(Boolean)).toHaveLength(1)
        return id
      })
    )
    const dispositions = []
    for (const id of decided) {
      const disposition = await client.retrievePending(id, { wait: 20 })
      dispositions.push(disposition)
      expect([2, 3]).toContain(disposition)
      expect((await verifiedResponse(server, client)).statusInfos[0]?.status).toBe(disposition === 3 ? 0 : 2)
      expect(await tracesOf(server, id)).toMatchObject({ certificates: disposition === 3 ? 1 : 0 })
    }
    expect(dispositions).toHaveLength(12)
  })
})

describe('the audit log', () => {
  it('has one event for each move of a request, in their order, and none for a move that was lost', async () => {
    const [id = 0] = await pendingRequests(1)
    const rivals = [decidePending(server, id, 'approved'), client.withdraw(id), decidePending(server, id, 'approved')]
    await Promise.all(rivals.map(rival => wins(rival)))
    await client.retrievePending(id, { wait: 20 })
    const events = await server.sql<{ action: string; to: string }>(
      `SELECT action, detail ->> 'to' AS to FROM certkeep.audit_event
       WHERE object_type = 'request' AND object_id = $1 ORDER BY seq`,
      [String(id)]
    )
    const { state } = await tracesOf(server, id)
    const path = { issued: ['approved', 'issued'], denied: ['denied'] }[state as 'issued' | 'denied']
    expect(events.map(({ to }) => to)).toEqual(['received', 'pending', ...path])
  })

  it('names the account that asked and the roles that acted', async () => {
    const alice = await server.addPrincipal()
    await using own = server.connect(alice)
    await own.submit(await pkcs10Request({ template: 'UserSignature' }))
    await revokeCertificateOf(server, own.requestId)
    const events = await server.sql<{ actor: string; action: string }>(
      `SELECT actor, action FROM certkeep.audit_event
       WHERE (object_type = 'request' AND object_id = $1) OR object_id = $2 ORDER BY seq`,
      [String(own.requestId), own.status.serialNumber]
    )
    expect(events).toEqual([
      { actor: `EXAMPLE\\${alice.row.accountName}`, action: 'request.submitted' },
      { actor: 'role:authority', action: 'request.approved' },
      { actor: 'role:authority', action: 'certificate.reserved' },
      { actor: 'role:authority', action: 'request.issued' },
      { actor: 'EXAMPLE\\officer', action: 'certificate.revoked' }
    ])
  })
})
