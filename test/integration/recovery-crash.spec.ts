import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '@app/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { programIn, type Program, type ServerProcess } from '../helpers/program.js'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import { addRecoveryParties, type RecoveryParties } from '../helpers/recovery-parties.js'
import {
  approveAs,
  archiveKey,
  brokenRecoveries,
  openPackage,
  type AgentHolder,
  type ArchivedTestKey
} from '../helpers/recoveries.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-recovery-crash-'))
let server: TestServer
let parties: RecoveryParties
let key: ArchivedTestKey
let recipient: RecoveryAgent
let program: Program
let running: ServerProcess
let kills = 0

/** The same installation, in a process that can be killed, at the address that the clients know. */
beforeAll(async () => {
  server = await startTestServer()
  parties = await addRecoveryParties(server)
  key = await archiveKey(server)
  recipient = await makeRecoveryAgent('Recipient')
  await server.running.shutdown.run('test')
  program = programIn(directory, {
    CERTKEEP_HOME: server.config.home,
    CERTKEEP_DATABASE_URL: server.config.databaseUrl ?? '',
    CERTKEEP_HTTPS_PORT: new URL(server.url).port,
    CERTKEEP_HTTP_PORT: '0',
    CERTKEEP_METRICS_PORT: '0'
  })
  running = await program.serve()
})

afterAll(async () => {
  await program.clean()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

/**
 * Does a step while the server is killed in it, sooner or later, and starts the server again; does it once more when it
 * has not been done, as its person would who looks whether it has.
 */
async function killedIn(step: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
  for (const milliseconds of [5, 40]) {
    const attempt = step().catch(() => undefined)
    await sleep(milliseconds)
    await running.end('SIGKILL')
    kills++
    await attempt
    running = await program.serve()
    if (await isDone()) return
  }
  await step()
  expect(await isDone()).toBe(true)
}

const count = async (text: string, values: readonly unknown[] = []): Promise<number> =>
  (await server.sql(text, values)).length

it('a recovery comes to its end, each step once, although the server is killed in every one of them', async () => {
  const operate = () => server.operate(parties.officer)
  const wanted = { key: { request: key.requestId }, reason: 'The card is lost.', ticket: 'T-1' }
  await killedIn(
    async () => {
      await using console = operate()
      return console.recoveries.request({ ...wanted, recipient: recipient.certificate.raw })
    },
    async () => (await count('SELECT FROM certkeep.recovery')) === 1
  )
  const [{ id } = { id: 0 }] = await server.sql<{ readonly id: number }>('SELECT id FROM certkeep.recovery')
  const holders: readonly AgentHolder[] = parties.holders.slice(0, 2)
  for (const holder of holders) {
    const approval = 'SELECT FROM certkeep.recovery_approval WHERE agent_id = $1'
    await killedIn(
      () => approveAs(server, id, holder),
      async () => (await count(approval, [holder.agentId])) === 1
    )
  }
  await killedIn(
    async () => {
      await using console = operate()
      return console.recoveries.release(id)
    },
    async () => (await count(`SELECT FROM certkeep.recovery WHERE state = 'released'`)) === 1
  )
  let opened: string | undefined
  const fetchKey = async () => {
    await using console = operate()
    opened = await openPackage(await console.recoveries.package(id), recipient)
  }
  await killedIn(fetchKey, async () => opened !== undefined)
  expect(opened).toBe(toHex(key.accepted.privateKey.export({ format: 'der', type: 'pkcs8' })))
  expect(kills).toBeGreaterThanOrEqual(5)
  // What is handed out is on record each time that it is.
  const actions = await server.sql<{ readonly action: string }>(
    `SELECT action FROM certkeep.audit_event WHERE object_type = 'recovery' AND object_id = $1
     AND action NOT IN ('recovery.share_given', 'recovery.delivered') ORDER BY action`,
    [String(id)]
  )
  const told = actions.map(({ action }) => action)
  expect(told).toEqual([...new Set(told)])
  expect(await brokenRecoveries(server)).toEqual({})
}, 300_000)
