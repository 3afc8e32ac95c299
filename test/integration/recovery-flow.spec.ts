import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyRecoveryPackage, type Console } from '@app/client'
import { toHex } from '@app/core'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import {
  approveAs,
  archiveKey,
  brokenRecoveries,
  holdAgents,
  openPackage,
  type AgentHolder,
  type ArchivedTestKey
} from '../helpers/recoveries.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let holders: readonly AgentHolder[]
let officer: TestPrincipal
let console: Console
let key: ArchivedTestKey
let recipient: RecoveryAgent

beforeAll(async () => {
  server = await startTestServer()
  holders = await holdAgents(server)
  officer = await server.addOperator('officer')
  console = server.operate(officer)
  key = await archiveKey(server)
  recipient = await makeRecoveryAgent('Recipient')
})

afterAll(async () => {
  await console[Symbol.asyncDispose]()
  await server.stop()
})

const agent = (index: number): AgentHolder => holders[index] as AgentHolder
const wanted = () => ({
  key: { request: key.requestId },
  reason: 'The card is lost.',
  ticket: 'T-1',
  recipient: recipient.certificate.raw
})

describe('the recovery of a key that several agents open together', () => {
  it('gives the recipient the key, once two agents have handed over their shares', async () => {
    const { id, state, approvals } = await console.recoveries.request(wanted())
    expect({ state, approvals }).toEqual({ state: 'requested', approvals: { given: 0, needed: 2 } })
    expect((await approveAs(server, id, agent(0))).state).toBe('requested')
    expect((await approveAs(server, id, agent(1))).state).toBe('approved')
    expect((await console.recoveries.release(id)).state).toBe('released')
    const delivered = await console.recoveries.package(id)
    expect(await openPackage(delivered, recipient)).toBe(
      toHex(key.accepted.privateKey.export({ format: 'der', type: 'pkcs8' }))
    )
    await verifyRecoveryPackage(delivered, server.root, new Date())
    expect(await brokenRecoveries(server)).toEqual({})
  })
})
