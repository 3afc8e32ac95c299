import {
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign,
  verify,
  type KeyObject
} from 'node:crypto'
import { CompactEncrypt } from 'jose'
import {
  CertificateDirectory,
  MessageQueues,
  PersonalStore,
  SecurityContexts,
  type ConnectionSettings,
  type ProtectionOptions
} from '@app/client'
import { signerOf } from '@app/keys'
import type { MessageLevel } from '@app/messaging'
import { buildManagementPointCertificate } from '@app/registration'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { runLoad, UNLIMITED } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'

const warmUpSeconds = 1
const bareSeconds = 2
const bodyBytes = 1000
const levels: readonly MessageLevel[] = ['none', 'integrity', 'privacy']
const batches = [1, 32] as const

/** A sender with one security context, and the queues that it sends to. */
interface Sender {
  readonly queues: MessageQueues
  readonly names: readonly string[]
  readonly protectionOf: (level: MessageLevel) => ProtectionOptions
  readonly privateKey: KeyObject
  readonly encryptTo: KeyObject
  close(): Promise<void>
}

/** Messages of 1000 bytes into queues, alone and 32 in a call, at each of the three levels. */
export const messages: Benchmark = {
  name: 'message',
  operation:
    'A message is sealed by the SDK under one security context and sent over TLS, on a kept connection, until the server has checked and stored it.',
  run: async (plan, say) => {
    const settings = 'messaging: { queueBytes: 1000000000000, queuesPerAccount: 10000 }'
    const server = await startMeasuredServer({ profileDirectory: plan.profileDirectory, settings })
    try {
      const sender = await makeSender(server.settingsOf(0), Math.max(...plan.concurrency))
      try {
        return await measureAll({ server, sender, plan }, say)
      } finally {
        await sender.close()
      }
    } finally {
      await server.stop()
    }
  }
}

interface Setting {
  readonly server: MeasuredServer
  readonly sender: Sender
  readonly plan: Plan
}

async function measureAll(setting: Setting, say: (line: string) => void): Promise<readonly Observed[]> {
  const observed: Observed[] = []
  for (const concurrency of setting.plan.concurrency) {
    for (const level of levels) {
      const bare = await bareCryptography(level, concurrency, setting.sender)
      for (const batch of batches) {
        say(`messages: ${level}, ${batch} in a call, ${concurrency} calls at a time`)
        observed.push(await measureLevel(setting, { level, batch, concurrency, bare }))
      }
    }
  }
  return observed
}

/** An account with an external P-256 certificate, a context of it, and a queue for each call at a time. */
async function makeSender(settings: ConnectionSettings, queueCount: number): Promise<Sender> {
  const home = mkdtempSync(join(tmpdir(), 'certkeep-bench-store-'))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const order = { name: 'Bench sender', serialNumber: Uint8Array.of(1), now: new Date() }
  const certificate = await buildManagementPointCertificate(signerOf(privateKey), order)
  const store = await PersonalStore.open(home)
  await store.addExternal({ certificate, privateKey })
  const directory = new CertificateDirectory(settings)
  await directory.registerCertificate({ certificate })
  await directory[Symbol.asyncDispose]()
  const contexts = new SecurityContexts({ ...settings, store })
  const queues = new MessageQueues({ ...settings, contexts })
  const encryptTo = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const names = Array.from({ length: queueCount }, () => `bench-${randomUUID()}`)
  for (const name of names) await queues.create(name, { encryptionKey: encryptTo, quota: 100_000_000_000 })
  const securityContext = await contexts.getSecurityContextEx({ certificate })
  return {
    queues,
    names,
    protectionOf: level => (level === 'none' ? { level } : { level, securityContext }),
    privateKey,
    encryptTo,
    close: async () => {
      await queues[Symbol.asyncDispose]()
      await contexts[Symbol.asyncDispose]()
      rmSync(home, { recursive: true })
    }
  }
}

interface Level {
  readonly level: MessageLevel
  /** Messages in a call. */
  readonly batch: number
  readonly concurrency: number
  readonly bare: Reference
}

async function measureLevel({ server, sender, plan }: Setting, how: Level): Promise<Observed> {
  const { level, batch, concurrency, bare } = how
  const body = randomBytes(bodyBytes)
  const protection = sender.protectionOf(level)
  const send = async (worker: number): Promise<void> => {
    const queue = sender.names[worker] ?? ''
    const ids = await sender.queues.sendAll(
      queue,
      Array.from({ length: batch }, () => ({ body })),
      protection
    )
    if (ids.length !== batch) throw new Error('The server has taken other messages than were sent.')
  }
  await runLoad({ concurrency, seconds: warmUpSeconds, operationsOfWorker: UNLIMITED }, send)
  const stored = await server.database.size()
  const start = cpuSoFar(server)
  const seconds = plan.operations === undefined ? plan.seconds : Infinity
  const operationsOfWorker =
    plan.operations === undefined ? UNLIMITED : Math.ceil(plan.operations / concurrency / batch)
  const result = await runLoad({ concurrency, seconds, operationsOfWorker }, send)
  const end = cpuSoFar(server)
  const grown = (await server.database.size()) - stored
  const operations = result.operations * batch
  const rate = result.rate * batch
  return {
    name: 'message',
    parameters: { level, 'in a call': batch, 'body bytes': bodyBytes, key: 'P-256' },
    concurrency,
    ...result,
    operations,
    rate,
    cpuMsPerOperation: costOfEach(operations, start, end),
    bytesStoredPerOperation: Math.max(0, Math.round(grown / operations)),
    residentMiB: residentMiB(server.pid),
    bare,
    ratioToBare: rate / bare.rate,
    residentAlong: []
  }
}

/** What a level cannot do without: a signature and its verification, and the encryption; the receiver decrypts. */
async function bareCryptography(
  level: MessageLevel,
  concurrency: number,
  { privateKey, encryptTo }: Sender
): Promise<Reference> {
  const data = randomBytes(bodyBytes + 900)
  const publicKey = createPublicKey(privateKey)
  const start = process.cpuUsage()
  const limits = { concurrency, seconds: bareSeconds, operationsOfWorker: UNLIMITED }
  const { rate, operations } = await runLoad(limits, async () => {
    const text = JSON.stringify({ body: data.toString('base64url') })
    const parsed = JSON.parse(text) as { readonly body: string }
    const bytes = Buffer.from(parsed.body, 'base64url')
    if (level !== 'none' && !verify('sha256', bytes, publicKey, sign('sha256', data, privateKey)))
      throw new Error('No.')
    if (level === 'privacy') {
      const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' }
      await new CompactEncrypt(bytes).setProtectedHeader(header).encrypt(encryptTo)
    }
  })
  const { user, system } = process.cpuUsage(start)
  return {
    what: 'by level: JSON; a P-256 signature and its verification; an ECDH-ES+A256KW and A256GCM encryption as well',
    rate,
    cpuMsPerOperation: (user + system) / 1000 / operations
  }
}
