import { X509Certificate } from 'node:crypto'
import { CR_DISP_ISSUED, type CertRequest } from '@app/client'
import { decodeCertificate } from '@app/x509'
import { measureBareEnrollment, type RowSizes } from './bare-enrollment.js'
import type { Benchmark, Cost, Observed, Plan, Reference } from './benchmark.js'
import { measureCfssl } from './cfssl.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { buildArchivedRequest, buildPlainRequest, subscriberOf, type Subscriber } from './enrollment-requests.js'
import { fillDatabase } from './filled-database.js'
import { runLoad, type LoadResult } from './load.js'
import { measureSealing } from './seal-cost.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'
import { resetStatements, writeStatements } from './statements.js'
import { subscriberKeys, type SubscriberKey } from './subscriber-keys.js'

const warmUp = 300
const waitSeconds = 30
/** How often the memory of the server is looked at. */
const residentEvery = 1000

/** What an enrollment benchmark measures. */
export interface EnrollmentVariant {
  readonly name: string
  /** Whether the private key is in the request, to be archived. */
  readonly archived: boolean
  readonly subscriberKey: SubscriberKey
  readonly caKey: SubscriberKey
}

/** An enrollment benchmark: with the private key in the request, or without. */
export function enrollmentBenchmark(variant: EnrollmentVariant): Benchmark {
  const { archived, subscriberKey } = variant
  const body = archived
    ? `a CMC request with its ${subscriberKey.toUpperCase()} key to be archived, for two of three agents to open`
    : 'a PKCS#10 request'
  return {
    name: variant.name,
    operation: `Submit over HTTPS, on a kept connection, of ${body}, until the certificate is issued and the answer here.`,
    run: async (plan, say) => {
      const { filled } = plan
      const server = await startMeasuredServer({
        profileDirectory: plan.profileDirectory,
        caKey: variant.caKey,
        ...(filled === undefined ? {} : { prepare: owner => fillDatabase(owner, filled, say) })
      })
      try {
        return await new Enrollments(server, variant, plan, say).run()
      } finally {
        await server.stop()
      }
    }
  }
}

class Enrollments {
  private readonly subscribers: readonly Subscriber[]
  private readonly name: string
  private readonly archived: boolean

  constructor(
    private readonly server: MeasuredServer,
    private readonly variant: EnrollmentVariant,
    private readonly plan: Plan,
    private readonly say: (line: string) => void
  ) {
    this.name = variant.name
    this.archived = variant.archived
    this.subscribers = subscriberKeys(variant.subscriberKey).map(subscriberOf)
  }

  async run(): Promise<readonly Observed[]> {
    const observed: Observed[] = []
    // The first hundreds are slow while the engine learns what is hot; they tell how many requests will be needed.
    const { rate } = await this.load(Math.max(...this.plan.concurrency), warmUp, Infinity, () => undefined)
    const most = this.plan.operations ?? Math.ceil(rate * this.plan.seconds * 3)
    const parameters = await this.parameters()
    for (const concurrency of this.plan.concurrency) {
      this.say(`${this.name}: ${concurrency} at a time`)
      observed.push({ ...(await this.level(concurrency, most)), parameters })
    }
    return observed
  }

  private async level(concurrency: number, most: number): Promise<Omit<Observed, 'parameters'>> {
    const { database, pid } = this.server
    const { profileDirectory: directory } = this.plan
    if (directory !== undefined) await resetStatements(database)
    const residentAlong: { operations: number; miB: number }[] = []
    await database.checkpoint()
    const before = await database.size()
    await this.server.eventLoopLag()
    const seconds = this.plan.operations === undefined ? this.plan.seconds : Infinity
    const result = await this.load(concurrency, most, seconds, done => {
      if (done % residentEvery === 0) residentAlong.push({ operations: done, miB: residentMiB(pid) })
    })
    const resident = residentMiB(pid)
    const eventLoopLagMs = await this.server.eventLoopLag()
    if (directory !== undefined) {
      await writeStatements(database, { directory, name: `${this.name}-${concurrency}`, operations: result.operations })
    }
    await database.checkpoint()
    const stored = (await database.size()) - before
    const sizes = await this.rowSizes()
    const { seconds: levelSeconds } = this.plan
    const keys = { ca: this.variant.caKey, subscriber: this.variant.subscriberKey }
    const bare = await measureBareEnrollment(database, { concurrency, seconds: levelSeconds, sizes, keys })
    const peer = await this.peer(concurrency)
    const { operations, rate } = result
    return {
      name: this.name,
      concurrency,
      operations,
      seconds: result.seconds,
      rate,
      latencyMs: result.latencyMs,
      cpuMsPerOperation: result.cost,
      bytesStoredPerOperation: Math.round(stored / operations),
      residentMiB: resident,
      eventLoopLagMs,
      bare,
      ...(peer === undefined ? {} : { peer, ratioToPeer: rate / peer.rate }),
      ratioToBare: rate / bare.rate,
      residentAlong
    }
  }

  /** Another program that does the same, on the same cores and database server, as many at a time. */
  private async peer(concurrency: number): Promise<Reference | undefined> {
    const { cfssl, seconds } = this.plan
    if (cfssl === undefined || this.archived) return undefined
    return measureCfssl(cfssl, this.server.database, { concurrency, seconds, subscribers: this.subscribers })
  }

  /** Enrolls with requests that are made before the clock starts, and looks at what came of them after it stops. */
  private async load(
    concurrency: number,
    most: number,
    seconds: number,
    done: (operations: number) => void
  ): Promise<LoadResult & { readonly cost: Cost }> {
    const clients = Array.from({ length: concurrency }, (_, worker) =>
      this.server.connect(worker % this.server.accounts)
    )
    try {
      const operationsOfWorker = Math.ceil(most / concurrency)
      const requests = await this.makeRequests(clients, operationsOfWorker)
      const issuedBefore = await this.countIssued()
      const start = cpuSoFar(this.server)
      let operations = 0
      const result = await runLoad({ concurrency, seconds, operationsOfWorker }, async (worker, index) => {
        await enroll(clients[worker] as CertRequest, requests[worker]?.[index] as Uint8Array, this.archived)
        done(++operations)
      })
      const end = cpuSoFar(this.server)
      await Promise.all(clients.map(client => this.inspect(client)))
      const issued = (await this.countIssued()) - issuedBefore
      if (issued !== result.operations) throw new Error(`${issued} of ${result.operations} were issued and archived.`)
      return { ...result, cost: costOfEach(result.operations, start, end) }
    } finally {
      await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
    }
  }

  /** The requests of each client, for keys that are its account's own: a key is certified for one principal only. */
  private async makeRequests(
    clients: readonly CertRequest[],
    each: number
  ): Promise<readonly (readonly Uint8Array[])[]> {
    const exchange = decodeCertificate(await (clients[0] as CertRequest).getCACertificate({ exchange: true }))
    const { accounts } = this.server
    const requests: Uint8Array[][] = clients.map(() => [])
    for (let index = 0; index < each; index++) {
      const made = clients.map((_, worker) => {
        const key = (worker % accounts) + accounts * (index % (this.subscribers.length / accounts))
        const subscriber = this.subscribers[key] as Subscriber
        return this.archived ? buildArchivedRequest(subscriber, exchange) : buildPlainRequest(subscriber)
      })
      for (const [worker, request] of (await Promise.all(made)).entries()) requests[worker]?.push(request)
    }
    return requests
  }

  /** The last certificate of a client is the CA's, and for one of the keys. */
  private async inspect(client: CertRequest): Promise<void> {
    const certificate = new X509Certificate(await client.getCertificate())
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
    const isOurs = this.subscribers.some(({ signer }) => spki.equals(signer.publicKey.raw))
    if (!isOurs || !certificate.verify(new X509Certificate(this.server.root).publicKey)) {
      throw new Error(`Certificate ${certificate.serialNumber} is not what was asked for.`)
    }
  }

  private countIssued(): Promise<number> {
    return this.server.database.number(`
      SELECT count(*) AS value FROM certkeep.certificate AS c JOIN certkeep.response AS r USING (request_id)
      WHERE c.state = 'issued' AND r.state = 'issued' AND c.principal_id IS NOT NULL
        AND (${String(!this.archived)} OR EXISTS (SELECT FROM certkeep.sealed_key AS s WHERE s.request_id = c.request_id))`)
  }

  /** The sizes of the rows that the measured enrollments have left. An envelope is as large as what it is sealed to. */
  private async rowSizes(): Promise<RowSizes> {
    const { database } = this.server
    const sealed = this.archived ? await database.averageBytes('sealed', 'sealed_key') : 0
    return {
      request: await database.averageBytes('raw_request', 'request'),
      envelope: sealed,
      sealed,
      tbs: await database.averageBytes('tbs', 'certificate'),
      certificate: await database.averageBytes('certificate', 'certificate'),
      response: await database.averageBytes('full_response', 'response')
    }
  }

  private async sealing(): Promise<Observed['parameters']> {
    await using client = this.server.connect(0)
    const cost = await measureSealing(client, this.subscribers[0] as Subscriber)
    return {
      recoveryAgents: '2 of 3',
      sealCpuMs: cost.threshold.toFixed(2),
      anyAgentSealCpuMs: cost.anyAgent.toFixed(2)
    }
  }

  private async parameters(): Promise<Observed['parameters']> {
    const { database } = this.server
    return {
      caKey: this.variant.caKey,
      subscriberKey: this.variant.subscriberKey,
      requestsBefore: this.plan.filled ?? 0,
      template: this.archived ? 'UserEncryption' : 'UserSignature',
      ...(this.archived ? await this.sealing() : {}),
      fsync: await database.setting('fsync'),
      synchronousCommit: await database.setting('synchronous_commit')
    }
  }
}

async function enroll(client: CertRequest, request: Uint8Array, archived: boolean): Promise<void> {
  const disposition = await client.submit(request, { wait: waitSeconds })
  const { status } = client
  if (disposition !== CR_DISP_ISSUED || status.archivedKey !== archived) {
    throw new Error(`Request ${status.requestId} became ${status.dispositionName}: ${status.dispositionMessage}`)
  }
}
