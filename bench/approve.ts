import { CR_DISP_ISSUED, type CertRequest, type Console } from '@app/client'
import { asId, type CaId } from '@app/core'
import { CaStore, openDatabase, TemplateStore, type ConnectionSettings } from '@app/storage'
import { builtInTemplates, ENROLLMENT_FLAG } from '@app/templates'
import { measureBareEnrollment, type RowSizes } from './bare-enrollment.js'
import type { Benchmark, Cost, Observed, Plan } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { buildPlainRequest, subscriberOf } from './enrollment-requests.js'
import { runLoad, type LoadResult } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'
import { subscriberKeys } from './subscriber-keys.js'

/** The template whose requests wait for an officer. */
const TEMPLATE = 'Reviewed'
const warmUp = 200

/** Decisions of officers. */
export const approve: Benchmark = {
  name: 'approve',
  operation:
    'An officer approves a pending request at the console over HTTPS, on a kept connection, and its requester, who waits at the front, has the word that it is issued.',
  run: async (plan, say) => {
    const server = await startMeasuredServer({ profileDirectory: plan.profileDirectory, prepare: offerReviewed })
    try {
      return await new Approvals(server, plan, say).run()
    } finally {
      await server.stop()
    }
  }
}

/** UserSignature, save that every request waits for an officer. */
async function offerReviewed(owner: ConnectionSettings): Promise<void> {
  const database = await openDatabase({ ...owner, poolSize: 1 })
  try {
    const base = builtInTemplates().find(({ name }) => name === 'UserSignature')
    if (base === undefined) throw new Error('There is no template UserSignature.')
    const template = {
      ...base,
      name: TEMPLATE,
      displayName: TEMPLATE,
      oid: '2.25.340282366920938463463374607431768211455',
      enrollmentFlags: base.enrollmentFlags | ENROLLMENT_FLAG.PEND_ALL_REQUESTS
    }
    const templates = new TemplateStore(database.dataSource)
    const now = new Date()
    const id = await templates.add(template, { actor: 'bench' }, now)
    await templates.activate(id, { actor: 'bench:second' }, now)
    await new CaStore(database.dataSource).addOffer(asId<CaId>(1), TEMPLATE, { actor: 'bench:second' }, now)
  } finally {
    await database.close()
  }
}

class Approvals {
  private readonly subscribers = subscriberKeys().map(subscriberOf)

  constructor(
    private readonly server: MeasuredServer,
    private readonly plan: Plan,
    private readonly say: (line: string) => void
  ) {}

  async run(): Promise<readonly Observed[]> {
    const { concurrency: levels, operations, seconds } = this.plan
    const { rate } = await this.load(Math.max(...levels), warmUp, Infinity)
    const most = operations ?? Math.ceil(rate * seconds * 2)
    const observed: Observed[] = []
    for (const concurrency of levels) {
      this.say(`approve: ${concurrency} at a time`)
      observed.push(await this.level(concurrency, most))
    }
    return observed
  }

  private async level(concurrency: number, most: number): Promise<Observed> {
    const { database, pid } = this.server
    const seconds = this.plan.operations === undefined ? this.plan.seconds : Infinity
    const result = await this.load(concurrency, most, seconds)
    const resident = residentMiB(pid)
    const sizes = await this.rowSizes()
    const bare = await measureBareEnrollment(database, {
      concurrency,
      seconds: this.plan.seconds,
      sizes,
      begins: 'with-decision'
    })
    return {
      name: 'approve',
      parameters: {
        caKey: 'rsa-2048',
        subscriberKey: 'rsa-2048',
        template: TEMPLATE,
        fsync: await database.setting('fsync'),
        synchronousCommit: await database.setting('synchronous_commit')
      },
      concurrency,
      operations: result.operations,
      seconds: result.seconds,
      rate: result.rate,
      latencyMs: result.latencyMs,
      cpuMsPerOperation: result.cost,
      bytesStoredPerOperation: Math.round(result.stored / result.operations),
      residentMiB: resident,
      bare,
      ratioToBare: result.rate / bare.rate,
      residentAlong: []
    }
  }

  /** Approves requests that have been pending since before the clock started. */
  private async load(
    concurrency: number,
    most: number,
    seconds: number
  ): Promise<LoadResult & { readonly cost: Cost; readonly stored: number }> {
    const { database, accounts } = this.server
    const workers = Array.from({ length: concurrency }, (_, worker) => worker)
    const requesters = workers.map(worker => this.server.connect(worker % accounts))
    const officers = await Promise.all(workers.map(() => this.server.operate('officer')))
    try {
      const operationsOfWorker = Math.ceil(most / concurrency)
      const pending = await Promise.all(
        requesters.map((client, worker) => this.submit(client, worker, operationsOfWorker))
      )
      await database.checkpoint()
      const before = await database.size()
      const start = cpuSoFar(this.server)
      const result = await runLoad({ concurrency, seconds, operationsOfWorker }, async (worker, index) => {
        const id = pending[worker]?.[index] ?? 0
        await decide(officers[worker] as Console, requesters[worker] as CertRequest, id)
      })
      const end = cpuSoFar(this.server)
      await database.checkpoint()
      const stored = (await database.size()) - before
      return { ...result, stored, cost: costOfEach(result.operations, start, end) }
    } finally {
      await Promise.all([...requesters, ...officers].map(client => client[Symbol.asyncDispose]()))
    }
  }

  /** Requests of one account for keys of its own, each until it is pending. */
  private async submit(client: CertRequest, worker: number, count: number): Promise<readonly number[]> {
    const { accounts } = this.server
    const ids: number[] = []
    for (let index = 0; index < count; index++) {
      const key = (worker % accounts) + accounts * (index % (this.subscribers.length / accounts))
      const subscriber = this.subscribers[key]
      if (subscriber === undefined) throw new Error('There are too few keys.')
      await client.submit(await buildPlainRequest(subscriber, TEMPLATE), { wait: 10 })
      if (client.status.dispositionName !== 'under_submission' && client.status.dispositionName !== 'pending') {
        throw new Error(`Request ${client.requestId} became ${client.status.dispositionName}.`)
      }
      ids.push(client.requestId)
    }
    return ids
  }

  /** A decision is a row of some hundred bytes. */
  private async rowSizes(): Promise<RowSizes> {
    const { database } = this.server
    return {
      request: 200,
      envelope: 0,
      sealed: 0,
      tbs: await database.averageBytes('tbs', 'certificate'),
      certificate: await database.averageBytes('certificate', 'certificate'),
      response: await database.averageBytes('full_response', 'response')
    }
  }
}

async function decide(officer: Console, requester: CertRequest, id: number): Promise<void> {
  // The requester waits already when the officer decides.
  const outcome = requester.retrievePending(id, { wait: 30 })
  await officer.queue.approve(id)
  let disposition = await outcome
  // The answer to the wait may be of the approval; then the certificate comes a moment later.
  for (let round = 0; disposition !== CR_DISP_ISSUED && round < 5; round++) {
    disposition = await requester.retrievePending(id, { wait: 30 })
  }
  if (disposition !== CR_DISP_ISSUED) throw new Error(`Request ${id} became ${requester.status.dispositionName}.`)
}
