import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { asId, systemClock, type CaId } from '@app/core'
import { signerOf, type Signer } from '@app/keys'
import { distributionUrls } from '@app/platform'
import { CrlStore, openDatabase, RevocationStore } from '@app/storage'
import { decodeCertificate, decodeCrl, decodePublicKey, type Certificate } from '@app/x509'
import { CrlSigner } from '../apps/authority/src/crl/crl-signer.js'
import type { Benchmark, Observed, Plan, Reference } from './benchmark.js'
import { fillLedger } from './ledger.js'
import { runLoad } from './load.js'
import { startMeasuredServer, type MeasuredServer } from './measured-server.js'

const entries = 100_000
const caId = asId<CaId>(1)
const hour = 3_600_000

const schedule = {
  base: 168 * hour,
  baseOverlap: 24 * hour,
  delta: 24 * hour,
  deltaOverlap: 12 * hour,
  onRevocation: 'none',
  revocationDelay: 0
} as const

/** Publishing a long CRL. */
export const crl: Benchmark = {
  name: 'crl',
  operation: `Reading ${entries} revoked certificates, building and signing a base CRL of them with an RSA-2048 key, and storing it.`,
  run: async (plan, say) => {
    const server = await startMeasuredServer({ profileDirectory: plan.profileDirectory })
    try {
      await fillLedger(server.database, entries, true)
      say('crl: 1 at a time')
      return [await measure(server, plan)]
    } finally {
      await server.stop()
    }
  }
}

/** In this process, with the authority's own signer; the server only keeps the database. */
async function measure(server: MeasuredServer, plan: Plan): Promise<Observed> {
  const database = await openDatabase(server.database.settings)
  try {
    const { dataSource } = database
    const crls = new CrlStore(dataSource)
    const publisher = new CrlSigner(new RevocationStore(dataSource), crls, systemClock)
    const ca = issuingCa(server)
    const publish = async (): Promise<void> => {
      await publisher.publish(ca, 'base', schedule, { actor: 'bench' })
    }
    await publish()
    const stored = await server.database.size()
    const residentAlong: { operations: number; miB: number }[] = []
    const start = { own: process.cpuUsage(), database: server.database.cpu() }
    const result = await runLoad(
      { concurrency: 1, seconds: plan.seconds, operationsOfWorker: plan.operations ?? Infinity },
      async (_worker, done) => {
        await publish()
        residentAlong.push({ operations: done + 1, miB: process.memoryUsage.rss() / 2 ** 20 })
      }
    )
    const own = process.cpuUsage(start.own)
    const databaseCpu = server.database.cpu() - start.database
    const grown = (await server.database.size()) - stored
    const newest = await crls.findLatest(caId, 0)
    const listed = decodeCrl(newest?.crl ?? new Uint8Array()).entries.length
    if (listed !== entries) throw new Error(`The CRL lists ${listed} of ${entries} certificates.`)
    const bare = bareCrl(newest?.crl.length ?? 0)
    return {
      name: 'crl',
      parameters: { entries, bytes: newest?.crl.length ?? 0, key: 'RSA-2048' },
      concurrency: 1,
      ...result,
      cpuMsPerOperation: {
        server: (own.user + own.system) / 1000 / result.operations,
        database: databaseCpu / result.operations,
        client: 0
      },
      bytesStoredPerOperation: Math.max(0, Math.round(grown / result.operations)),
      residentMiB: process.memoryUsage.rss() / 2 ** 20,
      bare,
      ratioToBare: result.rate / bare.rate,
      residentAlong
    }
  } finally {
    await database.close()
  }
}

/** The CA of the server, with a key that stands for its own, which this process does not have. */
function issuingCa(server: MeasuredServer): Parameters<CrlSigner['publish']>[0] {
  const certificate = decodeCertificate(new X509Certificate(server.root).raw)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signer: Signer = signerOf(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })))
  const standIn: Certificate = { ...certificate, publicKey: decodePublicKey(signer.publicKey.raw) }
  const urls = distributionUrls('http://bench.example', { id: caId, keyIndex: 0, certIndex: 0 })
  return {
    id: caId,
    name: 'Bench CA',
    certIndex: 0,
    keyIndex: 0,
    certificate: standIn,
    chain: [],
    crossCertificates: [],
    signer,
    urls
  }
}

/** The signature over as many bytes, alone. */
function bareCrl(bytes: number): Reference {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const data = Buffer.alloc(bytes, 0x30)
  const start = process.cpuUsage()
  const begun = performance.now()
  let operations = 0
  for (; performance.now() - begun < 2000; operations++) sign('sha256', data, privateKey)
  const { user, system } = process.cpuUsage(start)
  const rate = operations / ((performance.now() - begun) / 1000)
  return {
    what: `1 RSA-2048 signature over ${bytes} bytes`,
    rate,
    cpuMsPerOperation: (user + system) / 1000 / operations
  }
}
