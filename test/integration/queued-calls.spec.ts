import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  CallServer,
  defineCallInterface,
  MessageQueues,
  OutgoingQueue,
  RPC_C_AUTHN_LEVEL,
  RPC_C_OPT_MQ,
  type CallBinding,
  type CallServerSettings,
  type EndpointFlag,
  type EndpointOptions,
  type ErrorCode,
  type IncomingCall
} from '@app/client'
import { addMessageParty, type MessageParty } from '../helpers/message-parties.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const SECRET = 'an order that nobody else may read'
const INTERFACE_ID = '0c5d6c9e-55a4-4bb4-8f14-1f0f2a6c1f10'
const orders = defineCallInterface({
  id: INTERFACE_ID,
  version: '1.0',
  operations: { place: { in: z.strictObject({ item: z.string() }) } }
})
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error

/** What a handler saw of a call. */
interface Handled {
  readonly item: string
  readonly who: unknown
  readonly call: IncomingCall
}

const home = mkdtempSync(join(tmpdir(), 'certkeep-calls-'))
const started: CallServer[] = []
let server: TestServer
let owner: MessageParty
let caller: MessageParty

beforeAll(async () => {
  server = await startTestServer({ agents: 0, settings: { messaging: { queuesPerAccount: 100 } } })
  ;[owner, caller] = [await addMessageParty(server), await addMessageParty(server)]
})

afterEach(async () => {
  await Promise.all(started.splice(0).map(one => one.stop()))
})

afterAll(async () => {
  await owner.closeAll()
  await caller.closeAll()
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

const newName = (): string => `endpoint-${randomUUID()}`
const everybody = [{ sid: 'S-1-1-0', rights: ['write'] as const }]

/** Who the call is from, or the code of why nobody knows. */
function clientOf(call: IncomingCall): unknown {
  try {
    const { authnLevel, authnSvc, principalSid, principalName } = call.inqAuthClient()
    return { authnLevel, authnSvc, principalSid, principalName }
  } catch (error) {
    return (error as { readonly code: string }).code
  }
}

/** A call server of the owner's that keeps what it handles. */
async function serve(
  endpoint: string,
  flags: readonly EndpointFlag[],
  options: { readonly endpoint?: Partial<EndpointOptions>; readonly server?: Partial<CallServerSettings> } = {}
): Promise<{ readonly calls: CallServer; readonly handled: Handled[] }> {
  const calls = new CallServer({ ...owner.settings(), waitSeconds: 1, ...options.server })
  const handled: Handled[] = []
  calls.registerInterface(orders, {
    place: ({ item }, call) => {
      handled.push({ item, who: clientOf(call), call })
    }
  })
  const policy = { endpointFlags: flags, privateKey, access: everybody, ...options.endpoint }
  await calls.useProtseqEpEx('ncadg_mq', endpoint, policy)
  started.push(calls)
  return { calls, handled }
}

/** Calls once at each of the levels, and gives what was answered. */
async function callAt(binding: CallBinding, levels: readonly number[]): Promise<readonly number[]> {
  const raised: number[] = []
  for (const authnLevel of levels) {
    binding.setAuthInfo({ authnLevel, identity: caller.signer })
    raised.push((await binding.call(orders, 'place', { item: `level ${authnLevel}` })).authnLevel)
  }
  return raised
}

const items = (handled: readonly Handled[]): readonly string[] => handled.map(({ item }) => item).toSorted()
const until = (check: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(async () => check(), { timeout: 15_000, interval: 50 })

describe('a queued call', () => {
  it('004-1 waits on the machine of its caller while the server is down, and is handled at its level when it starts', async () => {
    const endpoint = newName()
    const { calls } = await serve(endpoint, ['PERMANENT'])
    await calls.stop()
    const directory = join(home, 'outgoing')
    const outgoing = await OutgoingQueue.open(directory)
    // What the endpoint demands is asked for once, while the server is there.
    const known = caller.binding(endpoint, { outgoing })
    await callAt(known, [1])
    await server.running.shutdown.run('test')
    const binding = caller.binding(endpoint, { outgoing })
    for (const authnLevel of [1, 5, 6]) {
      binding.setAuthInfo({ authnLevel, identity: caller.signer })
      const item = authnLevel === 6 ? SECRET : `level ${authnLevel}`
      expect(await binding.call(orders, 'place', { item })).toMatchObject({ authnLevel, state: 'waiting' })
    }
    const kept = readdirSync(join(directory, 'waiting')).map(name =>
      readFileSync(join(directory, 'waiting', name), 'utf8')
    )
    expect(kept).toHaveLength(3)
    for (const form of [SECRET, Buffer.from(SECRET).toString('base64url').slice(0, 30)]) {
      expect(kept.join()).not.toContain(form)
    }
    await server.restart()
    await owner.closeAll()
    await caller.closeAll()
    // As after a crash in the middle: one has arrived already, and its file is still there.
    const [first] = await outgoing.list()
    await caller.queues().sendEnvelope(endpoint, first?.envelope ?? '')
    expect(await (await OutgoingQueue.open(directory)).send(caller.queues())).toMatchObject({ waiting: 0, failed: [] })
    const { calls: later, handled } = await serve(endpoint, ['PERMANENT'])
    later.listen()
    await until(() => expect(handled).toHaveLength(4))
    const { sid, accountName } = caller.principal.row
    const known2 = { authnSvc: 100, principalSid: sid, principalName: `EXAMPLE\\${accountName}` }
    expect(Object.fromEntries(handled.map(({ item, who }) => [item, who]))).toEqual({
      'level 1': 'RPC_S_BINDING_HAS_NO_AUTH',
      'level 5': { authnLevel: 5, ...known2 },
      [SECRET]: { authnLevel: 6, ...known2 }
    })
    // What is over tells nothing.
    const over = handled.find(({ item }) => item === SECRET)
    await until(() => expect(() => over?.call.inqAuthClient()).toThrow(coded('RPC_S_INVALID_BINDING')))
  })

  it('004-3 is ignored without an error when it is below the level of its endpoint, and seen in dead letters and metrics', async () => {
    const [none, integrity, privacy] = [newName(), newName(), newName()]
    const endpoints = [
      [none, []],
      [integrity, ['AUTHN_LEVEL_PKT_INTEGRITY']],
      [privacy, ['AUTHN_LEVEL_PKT_PRIVACY']]
    ] as const
    const expected: Record<string, number> = { [none]: 5, [integrity]: 4, [privacy]: 2 }
    const refused = await refusals()
    const seen: Record<string, readonly string[]> = {}
    for (const [endpoint, flags] of endpoints) {
      const { calls, handled } = await serve(endpoint, ['PERMANENT', ...flags])
      const binding = caller.binding(endpoint)
      // 0 is what the endpoint demands, and 2 to 4 are raised.
      const least = endpoint === none ? 1 : endpoint === integrity ? 5 : 6
      expect(await callAt(binding, [0, 1, 3, 5, 6])).toEqual([least, 1, 5, 5, 6])
      calls.listen()
      await until(() => expect(handled.length).toBeGreaterThanOrEqual(expected[endpoint] ?? 0))
      seen[endpoint] = items(handled)
    }
    expect(seen).toEqual({
      [none]: ['level 0', 'level 1', 'level 3', 'level 5', 'level 6'],
      [integrity]: ['level 0', 'level 3', 'level 5', 'level 6'],
      [privacy]: ['level 0', 'level 6']
    })
    const queues = owner.queues()
    const deadLettersOf = async (endpoint: string): Promise<readonly string[]> =>
      (await queues.listKept(endpoint, 'dead-letter')).items.map(letter => letter.class)
    expect(await deadLettersOf(none)).toEqual([])
    expect(await deadLettersOf(integrity)).toEqual(['NACK_BAD_SIGNATURE'])
    expect(await deadLettersOf(privacy)).toEqual(['NACK_BAD_ENCRYPTION', 'NACK_BAD_ENCRYPTION', 'NACK_BAD_ENCRYPTION'])
    const now = await refusals()
    expect(now.signature - refused.signature).toBe(1)
    expect(now.encryption - refused.encryption).toBe(3)
    expect(now.text).toMatch(/certkeep_messages\{place="dead-letter"\} [1-9]/)
    expect(now.text).toMatch(/certkeep_messages_oldest_seconds \d/)
  })

  it('004-4 finds its endpoint after its server has ended when it is permanent, emptied or at its level as the flags say', async () => {
    const [permanent, temporary, killed] = [newName(), newName(), newName()]
    const first = await serve(permanent, ['PERMANENT', 'AUTHN_LEVEL_PKT_INTEGRITY'])
    const passing = await serve(temporary, ['TEMPORARY'])
    await serve(killed, ['TEMPORARY'], { endpoint: { aliveSeconds: 30 } })
    await callAt(caller.binding(temporary), [1])
    await first.calls.stop()
    await passing.calls.stop()
    await expect(caller.binding(temporary).call(orders, 'place', { item: 'x' })).rejects.toThrow(
      coded('MQ_ERROR_QUEUE_NOT_FOUND')
    )
    // Of a server that was killed nobody hears any more.
    await server.sql(`UPDATE certkeep.message_queue SET temporary_until = now() - interval '1 s' WHERE name = $1`, [
      killed
    ])
    const gone = caller.binding(killed).call(orders, 'place', { item: 'x' })
    await expect(gone).rejects.toThrow(coded('MQ_ERROR_QUEUE_NOT_FOUND'))
    await owner.queues().peek(permanent)
    expect(await server.sql(`SELECT 1 FROM certkeep.message_queue WHERE name = $1`, [killed])).toEqual([])

    const minimum = async (): Promise<boolean> => (await owner.queues().get(permanent)).authenticate
    await callAt(caller.binding(permanent), [5])
    await serve(permanent, ['PERMANENT', 'USE_EXISTING_SECURITY'])
    expect(await minimum()).toBe(true)
    await expect(serve(permanent, ['TEMPORARY'])).rejects.toThrow(coded('RPC_S_DUPLICATE_ENDPOINT'))
    const cleared = await serve(permanent, ['PERMANENT', 'CLEAR_ON_OPEN'])
    expect(await minimum()).toBe(false)
    await callAt(caller.binding(permanent), [6])
    cleared.calls.listen()
    await until(() => expect(items(cleared.handled)).toEqual(['level 6']))
    await expect(
      new CallServer(caller.settings()).useProtseqEpEx('ncadg_mq', permanent, { endpointFlags: 1 })
    ).rejects.toThrow(coded('MQ_ERROR_ACCESS_DENIED'))
  })

  it(
    'is delivered again when its server is killed while it handles it, and not when it has been handled',
    { timeout: 60_000 },
    async () => {
      const endpoint = newName()
      const { calls } = await serve(endpoint, ['PERMANENT'])
      await calls.stop()
      await caller.binding(endpoint).call(orders, 'place', { item: 'once' })
      const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
      const { url, trust } = owner.settings()
      const argument = { url, trust, token: owner.principal.token, endpoint, interfaceId: INTERFACE_ID }
      const child = spawn(
        process.execPath,
        [
          '--disable-warning=ExperimentalWarning',
          '--experimental-transform-types',
          '--import',
          here('embedded-postgres/run-sources.mjs'),
          here('queued-calls/hanging-server.ts'),
          JSON.stringify(argument)
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] }
      )
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      expect(line.toString()).toBe('once\n')
      child.kill('SIGKILL')
      await once(child, 'exit')
      const { calls: next, handled } = await serve(endpoint, ['PERMANENT'])
      next.listen()
      await until(() => expect(handled).toMatchObject([{ item: 'once', call: { deliveries: 2 } }]))
      await next.stop()
      expect(await owner.queues().peek(endpoint)).toEqual([])
    }
  )

  it('is tried again when its handler throws, and refused at once when no handler can take it', async () => {
    const endpoint = newName()
    const errors: string[] = []
    const settings = {
      mostDeliveries: 1,
      onError: (error: unknown) => errors.push((error as { code?: string }).code ?? 'none')
    }
    const calls = new CallServer({ ...owner.settings(), waitSeconds: 1, ...settings })
    started.push(calls)
    calls.registerInterface(orders, {
      place: () => {
        throw new Error('The stock is empty.')
      }
    })
    expect(() => calls.listen()).toThrow(coded('RPC_S_NO_PROTSEQS_REGISTERED'))
    expect(() => calls.registerInterface(orders, { place: () => undefined })).toThrow(coded('RPC_S_ALREADY_REGISTERED'))
    await expect(calls.useProtseqEpEx('ncacn_http', endpoint, { endpointFlags: 1 })).rejects.toThrow(
      coded('RPC_S_PROTSEQ_NOT_SUPPORTED')
    )
    await calls.useProtseqEpEx('ncadg_mq', endpoint, { endpointFlags: 1, access: everybody })
    const binding = caller.binding(endpoint)
    await binding.call(orders, 'place', { item: 'x' })
    await binding.call({ ...orders, version: '2.0' }, 'place', { item: 'x' })
    await binding.call({ ...orders, operations: { cancel: { in: z.null() } } }, 'cancel', null)
    const loose = { ...orders, operations: { place: { in: z.number() } } }
    await binding.call(loose, 'place', 1)
    await caller.queues().send(endpoint, Buffer.from('no call'))
    calls.listen()
    expect(() => calls.listen()).toThrow(coded('RPC_S_ALREADY_LISTENING'))
    const faults = [
      'RPC_S_UNKNOWN_IF',
      'RPC_S_PROCNUM_OUT_OF_RANGE',
      'RPC_X_BAD_STUB_DATA',
      'RPC_X_BAD_STUB_DATA',
      'none'
    ]
    await until(() => expect(errors.toSorted()).toEqual(faults.toSorted()))
    const letters = await owner.queues().listKept(endpoint, 'dead-letter')
    expect(letters.items.map(letter => letter.class)).toEqual(Array(4).fill('NACK_RECEIVE_REJECTED'))
  })

  it('is told by its numbers what cannot be', async () => {
    const endpoint = newName()
    const { calls } = await serve(endpoint, ['PERMANENT', 'AUTHN_LEVEL_PKT_PRIVACY'], {})
    const binding = caller.binding(endpoint)
    const refused = (work: () => unknown, code: ErrorCode): void => expect(work).toThrow(coded(code))
    refused(
      () => binding.setAuthInfo({ authnLevel: 5, authnSvc: 10, identity: caller.signer }),
      'RPC_S_UNKNOWN_AUTHN_SERVICE'
    )
    refused(() => binding.setAuthInfo({ authnLevel: 7 }), 'RPC_S_UNKNOWN_AUTHN_LEVEL')
    refused(() => binding.setAuthInfo({ authnLevel: RPC_C_AUTHN_LEVEL.PKT }), 'RPC_S_INVALID_AUTH_IDENTITY')
    refused(() => binding.setOption(99, 1), 'RPC_S_CANNOT_SUPPORT')
    refused(() => binding.setOption(RPC_C_OPT_MQ.ACKNOWLEDGE, 1), 'RPC_S_CANNOT_SUPPORT')
    refused(() => binding.setOption(RPC_C_OPT_MQ.PRIORITY, 8), 'MQ_ERROR_INVALID_PARAMETER')
    binding.setAuthInfo({ authnLevel: RPC_C_AUTHN_LEVEL.DEFAULT })
    await expect(binding.call(orders, 'place', { item: 'x' })).rejects.toThrow(coded('RPC_S_INVALID_AUTH_IDENTITY'))
    refused(() => calls.inqAuthClient(binding), 'RPC_S_WRONG_KIND_OF_BINDING')
    refused(() => calls.inqAuthClient({}), 'RPC_S_INVALID_BINDING')
    const open = await owner.queues().openEndpoint(newName(), { endpointFlags: 17 })
    expect(open).toMatchObject({ made: true, minimum: 'privacy' })
    const keyless = caller.binding(open.name)
    await owner.queues().change(open.name, { access: everybody })
    keyless.setAuthInfo({ authnLevel: 6, identity: caller.signer })
    await expect(keyless.call(orders, 'place', { item: 'x' })).rejects.toThrow(coded('MQ_ERROR_PUBLIC_KEY_NOT_FOUND'))
    // With an administration queue, a call waits until it has arrived.
    const admin = newName()
    await caller.queues().create(admin)
    const careful = caller.binding(endpoint, { adminQueue: admin })
    careful.setOption(RPC_C_OPT_MQ.ACKNOWLEDGE, 1)
    careful.setOption(RPC_C_OPT_MQ.AUTHN_LEVEL, 1)
    careful.setAuthInfo({ authnLevel: 6, identity: caller.signer })
    expect(await careful.call(orders, 'place', { item: 'x' })).toMatchObject({ state: 'sent', authnLevel: 6 })
    expect(await caller.queues().peek(admin)).toEqual([])
  })

  it('becomes a dead letter of its own machine when it is too late or its endpoint is gone, and waits for everything else', async () => {
    const endpoint = newName()
    const { calls } = await serve(endpoint, ['PERMANENT'])
    await calls.stop()
    let now = new Date()
    const outgoing = await OutgoingQueue.open(join(home, 'late'), { now: () => now })
    const seal = (sentAt: Date) =>
      caller.queues().seal(endpoint, Buffer.from('x'), { sentAt: sentAt.toISOString(), timeToReachQueue: 60 })
    await outgoing.put(endpoint, await seal(now))
    now = new Date(now.getTime() + 61_000)
    const late = await outgoing.send(caller.queues())
    expect(late).toMatchObject({ sent: [], failed: [{ class: 'NACK_REACH_QUEUE_TIMEOUT' }], waiting: 0 })
    now = new Date()
    await owner.queues().remove(endpoint)
    await outgoing.put(endpoint, await seal(now))
    const lost = await outgoing.send(caller.queues())
    expect(lost.failed).toMatchObject([{ class: 'NACK_BAD_DST_Q', code: 'MQ_ERROR_QUEUE_NOT_FOUND' }])
    expect(await outgoing.listDeadLetters()).toHaveLength(2)
    await outgoing.purgeDeadLetters()
    expect(await outgoing.listDeadLetters()).toEqual([])
    // Somebody else's credential is no fault of the message.
    const stranger = new MessageQueues({
      ...caller.settings(),
      credentials: { token: 'x'.repeat(30) }
    })
    await outgoing.put(endpoint, await seal(now))
    expect(await outgoing.send(stranger)).toMatchObject({ waiting: 1, because: { code: 'unauthenticated' } })
    await stranger[Symbol.asyncDispose]()
    // One that goes on by itself.
    await serve(endpoint, ['PERMANENT'])
    await using sending = outgoing.keepSending(caller.queues(), { everySeconds: 1 })
    expect(sending).toBeDefined()
    await until(async () => expect(await owner.queues().peek(endpoint)).toHaveLength(1))
  })
})

/** What the metrics have counted so far. */
async function refusals(): Promise<{ readonly signature: number; readonly encryption: number; readonly text: string }> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text()
  const of = (name: string): number =>
    Number(new RegExp(`certkeep_messages_total\\{class="${name}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
  return { signature: of('NACK_BAD_SIGNATURE'), encryption: of('NACK_BAD_ENCRYPTION'), text }
}
