import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPkcs12, CR_DISP_ISSUED, CR_IN_CMC, Enrollment, handOnParts, verifyParts, type Reseal } from '@app/client'
import { asId, type AgentId } from '@app/core'
import { getAgentPart, transferPart, verifyPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { AgentStore } from '@app/storage'
import { builtInTemplates } from '@app/templates'
import { formatName } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { handOnKeys, verifyKeys } from '../../apps/cli/src/client/reseal-actions.js'
import type { Talk } from '../../apps/cli/src/output.js'
import { offerTemplate } from '../helpers/administration.js'
import { freshEntropy, rejectionOf } from '../helpers/escrow-samples.js'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { sealedKeyOf } from '../helpers/submission.js'

/** An agent with the number of its row and the person who holds its key. */
interface Party extends RecoveryAgent {
  readonly id: AgentId
  readonly person: TestPrincipal
}

let server: TestServer
let agents: readonly Party[]
let administrator: TestPrincipal
let successor: Party
const keys: number[] = []

beforeAll(async () => {
  server = await startTestServer({ agents: 3 })
  const template = builtInTemplates().find(({ name }) => name === 'UserEncryption')
  if (template === undefined) throw new Error('There is no template to start from.')
  const together = { mode: 'threshold', agentCount: 3, threshold: 2 } as const
  await offerTemplate(server, { ...template, name: 'Together', oid: '2.25.99', archival: together })
  await offerTemplate(server, {
    ...template,
    name: 'Alone',
    oid: '2.25.98',
    archival: { mode: 'any-agent', agentCount: 3 }
  })
  const people = await Promise.all(server.agents.map(() => server.addOperator('recovery_agent')))
  agents = server.agents.map((agent, index) => ({
    ...agent,
    id: asId(index + 1),
    person: people[index] as TestPrincipal
  }))
  for (const { id, person } of agents) await link(id, person)
  administrator = await server.addOperator('administrator')
  for (const name of ['Together', 'Alone', 'Together', 'Alone']) keys.push(await enroll(name))
})

afterAll(() => server.stop())

describe('the coverage of archived keys', () => {
  it('is told with what is lost, and an agent that keys need is retired only when the loss is confirmed', async () => {
    const { recoveryAgents, health } = server.operate(administrator)
    const before = await recoveryAgents.coverage()
    expect(before.keys).toEqual({ recoverable: 4, critical: 0, unrecoverable: 0 })
    expect(before.losses.reduce((sum, loss) => sum + loss.keys, 0)).toBe(4)
    const [first, second, third] = agents as [Party, Party, Party]
    await server.sql('UPDATE certkeep.principal SET disabled_at = now() WHERE id = $1', [third.person.row.id])
    expect((await recoveryAgents.coverage()).byMode).toEqual({
      threshold: { recoverable: 0, critical: 2, unrecoverable: 0 },
      'any-agent': { recoverable: 2, critical: 0, unrecoverable: 0 }
    })
    expect(await recoveryAgents.show(third.id)).toMatchObject({ alive: false, fault: 'account-disabled', keys: 4 })
    expect((await recoveryAgents.show(first.id)).lostWithout).toBe(2)
    await expect(recoveryAgents.retire(first.id)).rejects.toThrow(/2 archived keys cannot be opened any more/)
    expect(await rejectionOf(() => recoveryAgents.retire(first.id, 1))).toBe('precondition_failed')
    expect((await recoveryAgents.show(first.id)).state).toBe('active')
    const { status, findings } = await server.operate(await server.addOperator('operator')).health.show()
    expect({ status, checks: findings.map(({ check }) => check) }).toEqual({
      status: 'warning',
      checks: expect.arrayContaining(['archived-keys-critical', 'agent-not-alive', 'archived-keys-expiring']) as unknown
    })
    expect(findings.every(({ cause, remedy }) => cause !== '' && remedy !== '')).toBe(true)
    expect(await (await fetch(`${server.metricsUrl}/metrics`)).text()).toMatch(
      /certkeep_archived_keys\{state="critical"\} 2\n/
    )
    await server.sql('UPDATE certkeep.principal SET disabled_at = NULL WHERE id = $1', [third.person.row.id])
    expect(await rejectionOf(() => server.operate(second.person).recoveryAgents.retire(second.id))).toBe(
      'access_denied'
    )
    expect((await health.show()).findings.map(({ check }) => check)).not.toContain('archived-keys-critical')
  })

  it('does not let two who retire agents at once lose together what neither loses alone', async () => {
    const { recoveryAgents } = server.operate(administrator)
    const [first, second] = agents as [Party, Party]
    const results = await Promise.allSettled([first, second].map(({ id }) => recoveryAgents.retire(id)))
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    await server.sql(`UPDATE certkeep.recovery_agent SET state = 'active', retired_at = NULL`)
  })
})

describe('a reseal', () => {
  let reseal: Reseal
  const from = (): Party => agents[0] as Party

  beforeAll(async () => {
    successor = await addParty('Successor')
  })

  it('is started by somebody else than the agents’ people, to a successor that is alive', async () => {
    const start = (operator: TestPrincipal, toAgent: number, fromAgent: number = from().id) =>
      server.operate(operator).reseals.start({ fromAgent, toAgent, reason: 'The agent leaves.' })
    expect(await rejectionOf(() => start(from().person, successor.id))).toBe('access_denied')
    const both = await server.addOperator('administrator')
    await server.sql(
      `INSERT INTO certkeep.role_assignment (id, principal_id, role, granted_by, granted_at)
       VALUES (gen_random_uuid(), $1, 'recovery_agent', 'test', now())`,
      [both.row.id]
    )
    const own = await addParty('Administrator’s own', both)
    expect(await rejectionOf(() => start(both, own.id))).toBe('access_denied')
    expect(await rejectionOf(() => start(administrator, from().id))).toBe('invalid_argument')
    const unlinked = await addParty('Unlinked', null)
    await expect(start(administrator, unlinked.id)).rejects.toThrow(/linked to no account/)
    reseal = await start(administrator, successor.id)
    expect(await rejectionOf(() => start(administrator, own.id))).toBe('conflict')
    await expect(
      server.sql(`UPDATE certkeep.reseal SET started_by = from_principal_id WHERE id = $1`, [reseal.id])
    ).rejects.toThrow(/reseal_starter_is_no_agent_of_it/)
  })

  it('gives the parts to the agent’s person alone, and takes none but for the successor', async () => {
    const { reseals } = server.operate(from().person)
    await until(async () => (await reseals.show(reseal.id)).keys.prepared === 4)
    for (const { person } of [agents[1] as Party, successor]) {
      expect(await rejectionOf(() => server.operate(person).reseals.parts(reseal.id))).toBe('access_denied')
    }
    const [requestId] = keys as [number]
    const { sealed } = await sealedKeyOf(server, requestId)
    const held = getAgentPart(sealed, from().certificate)
    const other = agents[1] as Party
    const decrypter = decrypterOf(from().privateKey)
    const part = await transferPart({ held, decrypter, successor: other.certificate, entropy: freshEntropy })
    expect(await reseals.handOn(reseal.id, [{ requestId, part }])).toBe(1)
    await until(async () => (await reseals.parts(reseal.id)).items.some(item => item.failure !== undefined))
    expect((await sealedKeyOf(server, requestId)).sealed.equals(sealed)).toBe(true)
  })

  it('goes on after a restart, and keeps every old form until the successor has verified the new one', async () => {
    const before = await Promise.all(keys.map(id => sealedKeyOf(server, id)))
    await server.restart()
    const handing = () =>
      handOnParts({
        reseals: server.operate(from().person).reseals,
        id: reseal.id,
        decrypter: decrypterOf(from().privateKey),
        successor: successor.certificate,
        entropy: freshEntropy
      })
    expect(await handing()).toMatchObject({ done: 4, wrong: [] })
    const { reseals } = server.operate(successor.person)
    await until(async () => (await reseals.show(reseal.id)).keys.stored === 4)
    // The same once more does nothing.
    expect(await handing()).toMatchObject({ done: 0, wrong: [] })
    expect(await Promise.all(keys.map(id => sealedKeyOf(server, id)))).toEqual(before)
    await expect(
      server.sql(`UPDATE certkeep.reseal_key SET state = 'done' WHERE reseal_id = $1`, [reseal.id])
    ).rejects.toThrow(/reseal_key_moves_legally/)
    // What cannot be opened goes back to the agent: here it is tried with a key that is another's.
    const wrong = verifyParts({ reseals, id: reseal.id, decrypter: decrypterOf(from().privateKey) })
    expect((await wrong).wrong).toEqual(keys)
    expect((await reseals.show(reseal.id)).keys).toMatchObject({ prepared: 4, stored: 0 })
    expect(await handing()).toMatchObject({ done: 4 })
  })

  it('waits with a key while a recovery of it is under way', async () => {
    await until(async () => (await server.operate(administrator).reseals.show(reseal.id)).keys.stored === 4)
    const [requestId] = keys as [number]
    const officer = await server.addOperator('officer')
    await server.sql(
      `INSERT INTO certkeep.recovery (ca_id, request_id, serial_number, state, requester_id, requester_name, reason, ticket,
         recipient, requested_at, expires_at)
       SELECT ca_id, request_id, serial_number, 'requested', $2, 'x', 'Lost.', 'T-1', '\\x30', now(), now() + interval '1 day'
       FROM certkeep.certificate WHERE request_id = $1`,
      [requestId, officer.row.id]
    )
    const { reseals } = server.operate(successor.person)
    const verified = await verifyParts({ reseals, id: reseal.id, decrypter: decrypterOf(successor.privateKey) })
    expect(verified).toMatchObject({ done: 4, wrong: [] })
    await until(async () => (await reseals.show(reseal.id)).keys.done === 3)
    expect((await reseals.show(reseal.id)).keys).toMatchObject({ verified: 1, done: 3 })
    expect((await sealedKeyOf(server, requestId)).agentIds).toContain(from().id)
    // Released, and never delivered, since the archive was not there in its time.
    await server.sql('ALTER TABLE certkeep.recovery DISABLE TRIGGER recovery_is_guarded')
    await server.sql(
      `UPDATE certkeep.recovery SET state = 'released', approved_at = now() - interval '2 h', notify_at = now(),
         released_at = now() - interval '2 h', release_until = now() - interval '1 h', counted_agents = '{}'
       WHERE request_id = $1`,
      [requestId]
    )
    await server.sql('ALTER TABLE certkeep.recovery ENABLE TRIGGER recovery_is_guarded')
    server.running.runtime.wakeups.nudge('reseal')
    await until(async () => (await reseals.show(reseal.id)).state === 'completed')
  })

  it('leaves keys that the successor opens in the place of the agent, with one event for each', async () => {
    for (const id of keys) {
      const { sealed, agentIds } = await sealedKeyOf(server, id)
      expect(agentIds).toEqual([2, 3, successor.id])
      expect(await rejectionOf(() => Promise.resolve(getAgentPart(sealed, from().certificate)))).toBe('not_found')
      await verifyPart(getAgentPart(sealed, successor.certificate), decrypterOf(successor.privateKey))
    }
    const { recoveryAgents } = server.operate(administrator)
    expect(await recoveryAgents.show(from().id)).toMatchObject({ keys: 0, lostWithout: 0 })
    const events = await server.sql<{ action: string; count: number }>(
      `SELECT action, count(*)::integer AS count FROM certkeep.audit_event
       WHERE action = 'sealed_key.resealed' OR (object_type = 'reseal' AND object_id = $1) GROUP BY action`,
      [reseal.id]
    )
    const counts = Object.fromEntries(events.map(({ action, count }) => [action, count]))
    expect(counts).toMatchObject({ 'reseal.started': 1, 'reseal.completed': 1, 'sealed_key.resealed': 4 })
    expect(counts['reseal.parts_given']).toBeGreaterThanOrEqual(4)
  })

  it('passes over keys that the successor’s person has a part of, and leaves everything as it is when it is cancelled', async () => {
    const { reseals } = server.operate(administrator)
    const second = agents[1] as Party
    const again = await reseals.start({ fromAgent: second.id, toAgent: successor.id, reason: 'Also.' })
    await until(async () => (await reseals.show(again.id)).state === 'completed')
    expect((await reseals.show(again.id)).keys).toMatchObject({ skipped: 4, done: 0 })
    const fresh = await addParty('Another')
    const third = await reseals.start({ fromAgent: second.id, toAgent: fresh.id, reason: 'Or not.' })
    await until(async () => (await reseals.show(third.id)).keys.prepared === 4)
    expect((await reseals.cancel(third.id)).state).toBe('cancelled')
    await until(async () => (await server.sql('SELECT FROM certkeep.resealed_key')).length === 0)
    expect(await rejectionOf(() => reseals.cancel(third.id))).toBe('conflict')
    expect(await rejectionOf(() => server.operate(second.person).reseals.parts(third.id))).toBe('conflict')
  })
})

describe('the commands of agents', () => {
  const files = mkdtempSync(join(tmpdir(), 'certkeep-reseal-'))
  const at = (name: string): string => join(files, name)
  const quiet: Talk = { say: () => undefined, progress: () => undefined }
  let heir: Party

  beforeAll(async () => {
    heir = await addParty('Heir')
    writeFileSync(at('root.pem'), server.root)
    writeFileSync(at('password'), 'secret', { mode: 0o600 })
    for (const [name, { certificate, privateKey, person }] of Object.entries({ second: agents[1] as Party, heir })) {
      const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
      const contents = {
        privateKey: pkcs8,
        certificate: certificate.raw,
        chain: [],
        friendlyName: name,
        password: 'secret'
      }
      writeFileSync(at(`${name}.p12`), await buildPkcs12(contents), { mode: 0o600 })
      writeFileSync(at(`${name}.cer`), certificate.raw)
      writeFileSync(at(`${name}.token`), person.token, { mode: 0o600 })
    }
    const toHeir = { fromAgent: (agents[1] as Party).id, toAgent: heir.id, reason: 'Two leaves.' }
    await server.operate(administrator).reseals.start(toHeir)
  })

  afterAll(() => rmSync(files, { recursive: true }))

  const by = (name: string) => ({
    url: server.url,
    trust: at('root.pem'),
    tokenFile: at(`${name}.token`),
    passwordFile: at('password'),
    output: 'json' as const
  })

  it('hand keys on to nobody but whose certificate the agent was given, and go on only when told', async () => {
    const handing = (to: string, resume?: boolean) =>
      printed(() =>
        handOnKeys({ ...by('second'), from: at('second.p12'), to: at(to), ...(resume && { resume }) }, quiet)
      )
    expect(await rejectionOf(() => handing('second.cer'))).toBe('chain_invalid')
    expect(await handing('heir.cer')).toMatchObject({ handedOn: 4, wrong: [] })
    expect(await rejectionOf(() => handing('heir.cer'))).toBe('conflict')
    expect(await handing('heir.cer', true)).toMatchObject({ handedOn: 0, wrong: [] })
  })

  it('confirm what the successor can open', async () => {
    const verifying = () => printed(() => verifyKeys({ ...by('heir'), agent: at('heir.p12') }, quiet))
    expect(await verifying()).toMatchObject({ confirmed: 4, wrong: [] })
    await until(async () => (await sealedKeyOf(server, keys[0] as number)).agentIds.includes(heir.id))
    await until(async () => (await rejectionOf(verifying)) === 'not_found')
  })
})

describe('two reseals to agents of one person', () => {
  it('leave the person with one part of each key, and hold up no other', async () => {
    const one = await addParty('One')
    const two = await addParty('Two', one.person)
    const { reseals } = server.operate(administrator)
    const third = agents[2] as Party
    const runs = [
      { from: third, to: one },
      { from: successor, to: two }
    ]
    const ids = await Promise.all(
      runs.map(async ({ from, to }) => {
        const { id } = await reseals.start({ fromAgent: from.id, toAgent: to.id, reason: 'Both leave.' })
        await until(async () => (await reseals.show(id)).keys.prepared === 4)
        return id
      })
    )
    for (const [index, { from, to }] of runs.entries()) {
      const id = ids[index] as string
      const decrypter = decrypterOf(from.privateKey)
      const handing = { id, decrypter, successor: to.certificate, entropy: freshEntropy }
      await handOnParts({ ...handing, reseals: server.operate(from.person).reseals })
      await until(async () => (await reseals.show(id)).keys.stored === 4)
    }
    const verifying = runs.map(({ to }, index) =>
      verifyParts({
        id: ids[index] as string,
        decrypter: decrypterOf(to.privateKey),
        reseals: server.operate(to.person).reseals
      })
    )
    // The later one may have ended by then, as there is nothing left for it to do.
    await Promise.all(verifying.map(one => rejectionOf(() => one)))
    server.running.runtime.wakeups.nudge('reseal')
    await until(async () =>
      (await Promise.all(ids.map(id => reseals.show(id)))).every(run => run.state === 'completed')
    )
    const counts = await Promise.all(ids.map(async id => (await reseals.show(id)).keys))
    expect(counts.map(({ done, skipped }) => done + skipped)).toEqual([4, 4])
    for (const key of keys) {
      const { agentIds } = await sealedKeyOf(server, key)
      expect(agentIds.filter(id => id === one.id || id === two.id)).toHaveLength(1)
    }
  })
})

/** What a command prints as JSON. */
async function printed(command: () => Promise<void>): Promise<unknown> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    await command()
    return JSON.parse(write.mock.calls.map(([text]) => String(text)).join(''))
  } finally {
    write.mockRestore()
  }
}

async function link(agent: AgentId, { row }: TestPrincipal): Promise<void> {
  await server.sql('UPDATE certkeep.recovery_agent SET principal_id = $2 WHERE id = $1', [agent, row.id])
}

/** Adds an agent, linked to a new person unless one is named or it is to be nobody. */
async function addParty(name: string, person?: TestPrincipal | null): Promise<Party> {
  const agent = await makeRecoveryAgent(name)
  const { certificate } = agent
  const holder = person === undefined ? await server.addOperator('recovery_agent') : person
  const id = await new AgentStore((await server.database.open('owner')).dataSource).add(
    {
      caId: server.ca.id,
      name,
      certificate: certificate.raw,
      sha256: createHash('sha256').update(certificate.raw).digest(),
      subject: formatName(certificate.subject),
      issuer: certificate.issuer.raw,
      serialNumber: certificate.serialNumber,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      addedAt: new Date(),
      ...(holder === null ? {} : { principalId: holder.row.id })
    },
    { actor: 'test' }
  )
  return { ...agent, id, person: holder ?? administrator }
}

async function enroll(template: string): Promise<number> {
  await using request = server.connect(await server.addPrincipal())
  const exchange = await request.getCACertificate({ exchange: true })
  const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
  const cmc = await enrollment.createRequest({ type: 'cmc', template: { name: template } })
  expect(await request.submit(cmc, { flags: CR_IN_CMC })).toBe(CR_DISP_ISSUED)
  return request.requestId
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await isSo()) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('It did not come to be.')
}
