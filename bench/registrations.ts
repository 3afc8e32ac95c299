import { createHash, generateKeyPairSync, randomUUID, sign, verify, type KeyObject } from 'node:crypto'
import { Pool } from 'undici'
import { signerOf } from '@app/keys'
import { buildManagementPointCertificate, buildRegistrationRequest, keyHashOf, smsidOf } from '@app/registration'
import { openDatabase, SiteStore, type ConnectionSettings } from '@app/storage'
import { decodeCertificate } from '@app/x509'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { costOfEach, cpuSoFar } from './costs.js'
import { runLoad, UNLIMITED } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'
import { residentMiB } from './process-usage.js'
import { subscriberKeys } from './subscriber-keys.js'

const warmUpSeconds = 2
const bareSeconds = 3

/** The program that signs for all clients, so that each of them is a new one and none needs a key of its own. */
interface Proxy {
  readonly smsid: string
  readonly privateKey: KeyObject
  readonly certificate: Uint8Array
}

/** Clients that register, each a new one, until the server has said that it is pending; they are decided meanwhile. */
export const registrations: Benchmark = {
  name: 'register',
  operation:
    'A new client of a proxy registers by POST over TLS, on a kept connection, until the signed answer is here; the worker decides it meanwhile, in the same server.',
  run: async (plan, say) => {
    const proxy = await makeProxy()
    const server = await startMeasuredServer({
      profileDirectory: plan.profileDirectory,
      settings: 'registration: { enabled: true }',
      prepare: owner => importProxy(owner, proxy)
    })
    try {
      const observed: Observed[] = []
      for (const concurrency of plan.concurrency) {
        say(`registrations: ${concurrency} at a time`)
        observed.push(await measureLevel(server, proxy, concurrency, plan))
      }
      return observed
    } finally {
      await server.stop()
    }
  }
}

async function makeProxy(): Promise<Proxy> {
  const [privateKey] = subscriberKeys()
  if (privateKey === undefined) throw new Error('There is no key.')
  const order = { name: 'Bench proxy', serialNumber: Uint8Array.of(1), now: new Date() }
  const certificate = await buildManagementPointCertificate(signerOf(privateKey), order)
  return { smsid: smsidOf(randomUUID()), privateKey, certificate }
}

async function importProxy(owner: ConnectionSettings, { smsid, certificate }: Proxy): Promise<void> {
  const database = await openDatabase(owner)
  try {
    const keyHash = keyHashOf(decodeCertificate(certificate))
    const row = { smsid, name: 'Bench', certificate: Buffer.from(certificate), keyHash, importedAt: new Date() }
    await new SiteStore(database.dataSource).addProxy(row, { actor: 'bench' })
  } finally {
    await database.close()
  }
}

async function measureLevel(server: MeasuredServer, proxy: Proxy, concurrency: number, plan: Plan): Promise<Observed> {
  const pool = new Pool(server.url, { connections: concurrency, pipelining: 1, connect: { ca: server.root } })
  try {
    const ask = (): Promise<void> => registerOnce(pool, proxy)
    await runLoad({ concurrency, seconds: warmUpSeconds, operationsOfWorker: UNLIMITED }, ask)
    const stored = await server.database.size()
    const start = cpuSoFar(server)
    const seconds = plan.operations === undefined ? plan.seconds : Infinity
    const operationsOfWorker = plan.operations === undefined ? UNLIMITED : Math.ceil(plan.operations / concurrency)
    const { operations, ...result } = await runLoad({ concurrency, seconds, operationsOfWorker }, ask)
    const end = cpuSoFar(server)
    const grown = (await server.database.size()) - stored
    const bare = await bareCryptography(concurrency, proxy.privateKey)
    return {
      name: 'register',
      parameters: { 'client key': 'RSA-2048', 'management point key': 'P-256' },
      concurrency,
      operations,
      ...result,
      cpuMsPerOperation: costOfEach(operations, start, end),
      bytesStoredPerOperation: Math.max(0, Math.round(grown / operations)),
      residentMiB: residentMiB(server.pid),
      bare,
      ratioToBare: result.rate / bare.rate,
      residentAlong: []
    }
  } finally {
    await pool.close()
  }
}

async function registerOnce(pool: Pool, { smsid: proxySmsid, privateKey, certificate }: Proxy): Promise<void> {
  const name = `B${randomUUID().slice(0, 8)}`
  const input = {
    type: 'Registration',
    timeStamp: new Date(),
    messageId: randomUUID(),
    agent: { type: 8 },
    signingCertificate: certificate,
    properties: { 'NetBIOS Name': name, 'FQ Name': `${name}.example.org`, InternetFlag: '0' }
  } as const
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/api/v1/configmgr/registrations',
    headers: { 'content-type': 'application/xml' },
    body: buildRegistrationRequest(input, { privateKey, proxySmsid })
  })
  const answer = await body.text()
  if (statusCode !== 200 || !answer.includes('Status="1"')) throw new Error(`The server answers ${answer}.`)
}

/** What nobody can do without: the message is verified twice, by who takes and by who decides, and the answer signed. */
async function bareCryptography(concurrency: number, privateKey: KeyObject): Promise<Reference> {
  const data = Buffer.alloc(4000)
  const signature = sign('sha256', data, privateKey)
  const point = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const start = process.cpuUsage()
  const limits = { concurrency, seconds: bareSeconds, operationsOfWorker: UNLIMITED }
  const { rate, operations } = await runLoad(limits, async () => {
    for (let time = 0; time < 2; time++) if (!verify('sha256', data, privateKey, signature)) throw new Error('No.')
    const digest = createHash('sha256').update(data).digest()
    await new Promise<void>((resolve, reject) => {
      sign('sha256', digest, point, error => (error === null ? resolve() : reject(error)))
    })
  })
  const { user, system } = process.cpuUsage(start)
  return {
    what: '2 RSA-2048 verifications, 1 P-256 signature',
    rate,
    cpuMsPerOperation: (user + system) / 1000 / operations
  }
}
