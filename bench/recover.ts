import { randomBytes } from 'node:crypto'
import pg from 'pg'
import {
  CR_DISP_ISSUED,
  CR_IN_CMC,
  Enrollment,
  makeRecoveryRecipient,
  type Console,
  type RecoveryRecipient
} from '@app/client'
import { wrapContentKey } from '@app/cms'
import { systemClock } from '@app/core'
import { openWithShares, transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate } from '@app/x509'
import { addAgents, withClient, type BenchAgent } from './archive-agents.js'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { runLoad } from './load.js'
import { clientConfig } from './measured-database.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'

const entropy = { bytes: (length: number) => randomBytes(length) }
/** Asked for, prepared, two looks at a share, two approvals, released, its package prepared, and fetched. */
const COMMITS = 9

/** One key recovered over and over. */
export const recover: Benchmark = {
  name: 'recover',
  operation:
    'A key that two of three agents open is recovered over HTTPS, on kept connections: an officer asks, two agents get their shares, encrypt them to the recipient and approve, the officer releases and fetches, and the recipient opens the key.',
  run: async (plan, say) => {
    let agents: readonly BenchAgent[] = []
    const server = await startMeasuredServer({
      profileDirectory: plan.profileDirectory,
      prepare: async owner => {
        // Those that every measured server has are nobody's; keys are to be sealed to others.
        await withClient(owner, client =>
          client.query(`UPDATE certkeep.recovery_agent SET state = 'retired', retired_at = now()`)
        )
        agents = await addAgents(owner, 3)
      }
    })
    try {
      return await new Recoveries(server, agents, plan, say).run()
    } finally {
      await server.stop()
    }
  }
}

class Recoveries {
  constructor(
    private readonly server: MeasuredServer,
    private readonly agents: readonly BenchAgent[],
    private readonly plan: Plan,
    private readonly say: (line: string) => void
  ) {}

  async run(): Promise<readonly Observed[]> {
    const requestId = await this.archiveKey()
    const options = { name: 'Bench', validitySeconds: 86_400, clock: systemClock, entropy }
    const recipient = await makeRecoveryRecipient(options)
    const observed: Observed[] = []
    for (const concurrency of this.plan.concurrency) {
      this.say(`recover: ${concurrency} at a time`)
      observed.push(await this.level(concurrency, requestId, recipient))
    }
    return observed
  }

  private async archiveKey(): Promise<number> {
    await using request = this.server.connect(0)
    const exchange = await request.getCACertificate({ exchange: true })
    const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: this.server.root })
    const cmc = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    const disposition = await request.submit(cmc, { flags: CR_IN_CMC, wait: 30 })
    if (disposition !== CR_DISP_ISSUED) throw new Error(`The request became ${request.status.dispositionName}.`)
    return request.requestId
  }

  private async level(concurrency: number, requestId: number, recipient: RecoveryRecipient): Promise<Observed> {
    const { server, plan } = this
    const officers = await Promise.all(Array.from({ length: concurrency }, () => server.operate('officer')))
    const approvers = this.agents.slice(0, 2).map(agent => ({ agent, console: server.operateWith(agent.token) }))
    try {
      const limits = {
        concurrency,
        seconds: plan.operations === undefined ? plan.seconds : Infinity,
        operationsOfWorker: Math.ceil((plan.operations ?? Number.MAX_SAFE_INTEGER) / concurrency)
      }
      await recoverOnce(officers[0] as Console, approvers, requestId, recipient)
      await server.database.checkpoint()
      const before = await server.database.size()
      const start = cpuSoFar(server)
      const result = await runLoad(limits, worker =>
        recoverOnce(officers[worker] as Console, approvers, requestId, recipient)
      )
      const cpuMsPerOperation = costOfEach(result.operations, start, cpuSoFar(server))
      await server.database.checkpoint()
      const stored = (await server.database.size()) - before
      const bare = await bareRecovery(server, concurrency, this.agents, recipient)
      return {
        name: 'recover',
        parameters: {
          mode: 'threshold 2 of 3',
          agentKeys: 'rsa-2048',
          recipientKey: 'rsa-3072',
          archivedKey: 'rsa-2048'
        },
        concurrency,
        operations: result.operations,
        seconds: result.seconds,
        rate: result.rate,
        latencyMs: result.latencyMs,
        cpuMsPerOperation,
        bytesStoredPerOperation: Math.round(stored / result.operations),
        residentMiB: residentMiB(server.pid),
        bare,
        ratioToBare: result.rate / bare.rate,
        residentAlong: []
      }
    } finally {
      const consoles = [...officers, ...approvers.map(({ console }) => console)]
      await Promise.all(consoles.map(console => console[Symbol.asyncDispose]()))
    }
  }
}

interface Approver {
  readonly agent: BenchAgent
  readonly console: Console
}

async function recoverOnce(
  officer: Console,
  approvers: readonly Approver[],
  requestId: number,
  recipient: RecoveryRecipient
): Promise<void> {
  const { recoveries } = officer
  const asked = { key: { request: requestId }, reason: 'Measured.', ticket: 'B-1', recipient: recipient.certificate }
  const { id } = await recoveries.request(asked)
  for (const { agent, console } of approvers) {
    const { held } = await console.recoveries.share(id)
    if (held === undefined) throw new Error('There is no share.')
    const successor = decodeCertificate(recipient.certificate)
    const share = await transferPart({ held, decrypter: decrypterOf(agent.privateKey), successor, entropy })
    await console.recoveries.approve(id, { share })
  }
  await recoveries.release(id)
  const { package: sealed, shares } = await recoveries.package(id)
  const transferred = shares.map(({ share }) => share)
  await openWithShares({ sealed, transferred, decrypter: decrypterOf(recipient.privateKey), use: () => undefined })
}

/** The agents' and the recipient's RSA operations, and as many durable commits of a row, on as many connections. */
async function bareRecovery(
  { database }: MeasuredServer,
  concurrency: number,
  agents: readonly BenchAgent[],
  recipient: RecoveryRecipient
): Promise<Reference> {
  const certificate = decodeCertificate(recipient.certificate)
  const clients = await Promise.all(
    Array.from({ length: concurrency }, async () => {
      const client = new pg.Client(clientConfig(database.settings))
      await client.connect()
      return client
    })
  )
  const row = randomBytes(500)
  try {
    await clients[0]?.query('CREATE TABLE public.bare (row bytea)')
    const used = process.cpuUsage()
    const usedByDatabase = database.cpu()
    const limits = { concurrency, seconds: 5, operationsOfWorker: Number.MAX_SAFE_INTEGER }
    const { rate, operations } = await runLoad(limits, async worker => {
      for (const agent of agents.slice(0, 2)) {
        const transport = { scheme: 'rsaes-oaep', digest: 'sha256' } as const
        const secret = randomBytes(32)
        const toAgent = wrapContentKey(agent.certificate.publicKey.keyObject, secret, transport)
        const opened = await decrypterOf(agent.privateKey).unwrap(toAgent, transport)
        const toRecipient = wrapContentKey(certificate.publicKey.keyObject, opened, transport)
        await decrypterOf(recipient.privateKey).unwrap(toRecipient, transport)
      }
      for (let commit = 0; commit < COMMITS; commit++) {
        await clients[worker]?.query({ name: 'bare', text: 'INSERT INTO public.bare VALUES ($1)', values: [row] })
      }
    })
    const { user, system } = process.cpuUsage(used)
    return {
      what: `two RSA-2048 decryptions, four encryptions, two RSA-3072 decryptions and ${COMMITS} commits`,
      rate,
      cpuMsPerOperation: ((user + system) / 1000 + database.cpu() - usedByDatabase) / operations
    }
  } finally {
    await clients[0]?.query('DROP TABLE IF EXISTS public.bare')
    await Promise.all(clients.map(client => client.end()))
  }
}
