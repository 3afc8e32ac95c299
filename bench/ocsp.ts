import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { Pool } from 'undici'
import {
  decodeCertificate,
  decodeOcspResponse,
  encodeOcspCertId,
  encodeOcspRequest,
  ocspIssuerOf,
  verifySignature
} from '@app/x509'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { fillLedger, type Ledger } from './ledger.js'
import { runLoad, UNLIMITED } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'

/** More than a second's worth, so that many statuses are looked up, and each answer is given several times. */
const certificates = 10_000
const warmUpSeconds = 2
const bareSeconds = 3

/** Answers without a nonce, which the responder keeps. */
export const ocsp = ocspBenchmark(false)

/** Answers with a nonce, each signed for its request. */
export const ocspNonce = ocspBenchmark(true)

function ocspBenchmark(nonce: boolean): Benchmark {
  return {
    name: nonce ? 'ocsp-nonce' : 'ocsp',
    operation: `An OCSP request ${nonce ? 'with' : 'without'} a nonce for one of ${certificates} certificates by POST over plain HTTP, on a kept connection, until the answer is here.`,
    run: async (plan, say) => {
      const server = await startMeasuredServer({ profileDirectory: plan.profileDirectory })
      try {
        const ledger = await fillLedger(server.database, certificates, false)
        return await new OcspLoad(server, ledger, nonce).run(plan, say)
      } finally {
        await server.stop()
      }
    }
  }
}

class OcspLoad {
  private readonly issuer
  private readonly certIds: readonly Uint8Array[]

  constructor(
    private readonly server: MeasuredServer,
    ledger: Ledger,
    private readonly nonce: boolean
  ) {
    this.issuer = decodeCertificate(new X509Certificate(server.root).raw)
    const issuer = ocspIssuerOf(this.issuer, 'sha1')
    this.certIds = Array.from({ length: certificates }, (_, index) =>
      encodeOcspCertId('sha1', issuer, ledger.serialNumber(index))
    )
  }

  async run(plan: Plan, say: (line: string) => void): Promise<readonly Observed[]> {
    const observed: Observed[] = []
    for (const concurrency of plan.concurrency) {
      say(`${this.name}: ${concurrency} at a time`)
      observed.push(await this.level(concurrency, plan))
    }
    return observed
  }

  private get name(): string {
    return this.nonce ? 'ocsp-nonce' : 'ocsp'
  }

  private async level(concurrency: number, plan: Plan): Promise<Observed> {
    const pool = new Pool(this.server.httpUrl, { connections: concurrency, pipelining: 1 })
    try {
      const ask = async (worker: number, done: number): Promise<void> => {
        await this.ask(pool, worker + done * concurrency)
      }
      await runLoad({ concurrency, seconds: warmUpSeconds, operationsOfWorker: UNLIMITED }, ask)
      const stored = await this.server.database.size()
      const start = cpuSoFar(this.server)
      const seconds = plan.operations === undefined ? plan.seconds : Infinity
      const operationsOfWorker = plan.operations === undefined ? UNLIMITED : Math.ceil(plan.operations / concurrency)
      const { operations, ...result } = await runLoad({ concurrency, seconds, operationsOfWorker }, ask)
      const end = cpuSoFar(this.server)
      const grown = (await this.server.database.size()) - stored
      for (let index = 0; index < 20; index++) this.inspect(await this.ask(pool, index * 487), index * 487)
      const bare = await bareSignatures(concurrency)
      return {
        name: this.name,
        parameters: { certificates, 'CA key': 'RSA-2048', 'responder key': 'P-256' },
        concurrency,
        operations,
        ...result,
        cpuMsPerOperation: costOfEach(operations, start, end),
        bytesStoredPerOperation: Math.max(0, Math.round(grown / operations)),
        residentMiB: residentMiB(this.server.pid),
        bare,
        ratioToBare: result.rate / bare.rate,
        residentAlong: []
      }
    } finally {
      await pool.close()
    }
  }

  private async ask(pool: Pool, index: number): Promise<Uint8Array> {
    const certId = this.certIds[index % certificates] ?? new Uint8Array()
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: '/ocsp/1-0',
      headers: { 'content-type': 'application/ocsp-request' },
      body: encodeOcspRequest([certId], this.nonce ? randomBytes(16) : undefined)
    })
    const answer = new Uint8Array(await body.arrayBuffer())
    // Anything but a signed answer is shorter than this.
    if (statusCode !== 200 || answer.length < 100) throw new Error(`The responder answers ${statusCode}.`)
    return answer
  }

  /** The answer is the responder's, and says that this certificate is good. */
  private inspect(answer: Uint8Array, index: number): void {
    const response = decodeOcspResponse(answer)
    if (response.status !== 'successful') throw new Error(response.status)
    const { responses, responseData: data, signatureAlgorithm, signature, certificates: sent } = response.basic
    const { publicKey } = decodeCertificate(sent[0] ?? new Uint8Array())
    const isSigned = verifySignature({ publicKey, signatureAlgorithm, signature, data }).valid
    const isOfThis = Buffer.from(responses[0]?.certId.raw ?? []).equals(
      this.certIds[index % certificates] ?? Buffer.of()
    )
    if (!isSigned || !isOfThis || responses[0]?.status.kind !== 'good') throw new Error('An answer is not right.')
  }
}

/** The signature alone, as many at a time. */
async function bareSignatures(concurrency: number): Promise<Reference> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = randomBytes(200)
  const start = process.cpuUsage()
  const limits = { concurrency, seconds: bareSeconds, operationsOfWorker: UNLIMITED }
  const { rate, operations } = await runLoad(
    limits,
    () =>
      new Promise((resolve, reject) => {
        sign('sha256', data, privateKey, error => (error === null ? resolve() : reject(error)))
      })
  )
  const { user, system } = process.cpuUsage(start)
  return { what: '1 P-256 signature', rate, cpuMsPerOperation: (user + system) / 1000 / operations }
}
