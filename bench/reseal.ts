import { randomBytes } from 'node:crypto'
import { Console, handOnParts, verifyParts, type Reseal } from '@app/client'
import { getAgentPart, sealToThreshold, transferPart, verifyPart } from '@app/escrow'
import { decrypterOf, generateKeyPairOf, publicHalfOf } from '@app/keys'
import type { ConnectionSettings } from '@app/storage'
import { addAgents, withClient, type BenchAgent } from './archive-agents.js'
import type { Benchmark, Observed, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { runLoad } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'

/** Keys that are handed on, unless `--operations` says another number. */
const KEYS = 5000
const entropy = { bytes: (length: number) => randomBytes(length) }

/** Archived keys handed on from one agent to a successor. */
export const reseal: Benchmark = {
  name: 'reseal',
  operation:
    'A key that two of three agents open is handed on: one agent opens its part and encrypts it to a successor, the server makes the new form, the successor verifies it, and it takes the place of the old one. One agent and one successor, in batches of 100 over HTTPS.',
  run: async (plan, say) => {
    const keys = plan.operations ?? KEYS
    let agents: readonly BenchAgent[] = []
    const server = await startMeasuredServer({
      profileDirectory: plan.profileDirectory,
      prepare: async owner => {
        agents = await addAgents(owner, 4)
        await addSealedKeys(owner, agents.slice(0, 3), keys)
        say(`sealed keys: ${keys}`)
      }
    })
    try {
      return [await measure(server, agents, keys, say)]
    } finally {
      await server.stop()
    }
  }
}

/** Sealed for real, one key over and over: each has shares and envelopes of its own. */
async function addSealedKeys(owner: ConnectionSettings, agents: readonly BenchAgent[], keys: number): Promise<void> {
  const { privateKey } = await generateKeyPairOf('rsa-2048')
  const plan = {
    plaintext: privateKey.export({ type: 'pkcs8', format: 'der' }),
    publicKey: publicHalfOf(privateKey),
    agents: agents.map(({ certificate }) => certificate),
    threshold: 2,
    entropy
  }
  const ids = agents.map(({ id }) => id)
  await withClient(owner, async client => {
    for (let number = 1; number <= keys; number++) {
      const sealed = Buffer.from(await sealToThreshold(plan))
      await client.query(
        `WITH k AS (
           INSERT INTO certkeep.sealed_key (request_id, mode, sealed, key_format, algorithm, bits, content_encryption,
             sealed_at, quorum, agent_ids)
           VALUES ($1, 'threshold', $2, 'pkcs8', 'rsa', 2048, 'aes-256-gcm', now(), 2, $3::integer[]) RETURNING request_id)
         INSERT INTO certkeep.sealed_key_agent (request_id, agent_id) SELECT request_id, unnest($3::integer[]) FROM k`,
        [1_000_000 + number, sealed, ids]
      )
    }
  })
}

async function measure(
  server: MeasuredServer,
  agents: readonly BenchAgent[],
  keys: number,
  say: (line: string) => void
): Promise<Observed> {
  const [from, , , to] = agents as [BenchAgent, BenchAgent, BenchAgent, BenchAgent]
  const administrator = await server.operate('administrator')
  const [agent, successor] = [server.operateWith(from.token), server.operateWith(to.token)]
  try {
    await server.database.checkpoint()
    const stored = await server.database.size()
    const begin = performance.now()
    const start = cpuSoFar(server)
    const { id } = await administrator.reseals.start({ fromAgent: from.id, toAgent: to.id, reason: 'Measured.' })
    const handing = { reseals: agent.reseals, id, decrypter: decrypterOf(from.privateKey), entropy }
    const handedOn = await handOnParts({ ...handing, successor: to.certificate })
    const afterHanding = performance.now()
    say(`handed on: ${rateOf(handedOn.done, afterHanding - begin)} a second`)
    const verified = await verifyParts({ reseals: successor.reseals, id, decrypter: decrypterOf(to.privateKey) })
    const afterVerifying = performance.now()
    say(`verified: ${rateOf(verified.done, afterVerifying - afterHanding)} a second`)
    const done = await completed(administrator, id)
    if (done.keys.done !== keys) throw new Error(`${done.keys.done} of ${keys} keys were handed on.`)
    const seconds = (performance.now() - begin) / 1000
    const cpuMsPerOperation = costOfEach(keys, start, cpuSoFar(server))
    await server.database.checkpoint()
    const bare = await bareHandingOn(agents)
    return {
      name: 'reseal',
      parameters: { keys, mode: 'threshold 2 of 3', agentKeys: 'rsa-2048' },
      concurrency: 1,
      operations: keys,
      seconds,
      rate: keys / seconds,
      latencyMs: { p50: 0, p95: 0, p99: 0 },
      cpuMsPerOperation,
      bytesStoredPerOperation: Math.round(((await server.database.size()) - stored) / keys),
      residentMiB: residentMiB(server.pid),
      bare,
      ratioToBare: keys / seconds / bare.rate,
      residentAlong: []
    }
  } finally {
    await Promise.all([administrator, agent, successor].map(console => console[Symbol.asyncDispose]()))
  }
}

function rateOf(operations: number, milliseconds: number): string {
  return ((operations * 1000) / milliseconds).toFixed(0)
}

async function completed({ reseals }: Console, id: string): Promise<Reseal> {
  for (;;) {
    const reseal = await reseals.show(id)
    if (reseal.state !== 'open') return reseal
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** What the agent and the successor do with their keys, and nothing else. */
async function bareHandingOn(agents: readonly BenchAgent[]): Promise<Reference> {
  const [from, , , to] = agents as [BenchAgent, BenchAgent, BenchAgent, BenchAgent]
  const { privateKey } = await generateKeyPairOf('rsa-2048')
  const plaintext = privateKey.export({ type: 'pkcs8', format: 'der' })
  const certificates = agents.slice(0, 3).map(({ certificate }) => certificate)
  const publicKey = publicHalfOf(privateKey)
  const sealed = await sealToThreshold({ plaintext, publicKey, agents: certificates, threshold: 2, entropy })
  const held = getAgentPart(sealed, from.certificate)
  const [opener, verifier] = [decrypterOf(from.privateKey), decrypterOf(to.privateKey)]
  const used = process.cpuUsage()
  const limits = { concurrency: 1, seconds: 3, operationsOfWorker: 5000 }
  const { rate, operations } = await runLoad(limits, async () => {
    const part = await transferPart({ held, decrypter: opener, successor: to.certificate, entropy })
    await verifyPart({ ...held, part }, verifier)
  })
  const { user, system } = process.cpuUsage(used)
  return {
    what: 'two RSA-2048 decryptions and one encryption with AES-GCM, one after the other, without server',
    rate,
    cpuMsPerOperation: (user + system) / 1000 / operations
  }
}
