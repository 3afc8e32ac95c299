import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
  type KeyObject
} from 'node:crypto'
import pg from 'pg'
import { Batches } from './batches.js'
import type { Reference } from './benchmark.js'
import { runLoad, UNLIMITED } from './load.js'
import { clientConfig, type MeasuredDatabase } from './measured-database.js'
import { makeSubscriberKey, type SubscriberKey } from './subscriber-keys.js'

/** How large the rows of an enrollment are, in bytes of what they mainly hold. */
export interface RowSizes {
  readonly request: number
  /** The archived key as it came, and as it is kept; 0 when there is none. */
  readonly envelope: number
  readonly sealed: number
  readonly tbs: number
  readonly certificate: number
  readonly response: number
}

/** An enrollment without a program around it. */
interface BareEnrollment {
  readonly what: string
  operation(): Promise<void>
  close(): Promise<void>
}

const BATCH = 32
const LONGEST_SECONDS = 10
const POOL = 8
const DATABASE = 'bare'

const TABLES = `
  CREATE TABLE request (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL, raw bytea NOT NULL);
  CREATE TABLE envelope (id integer PRIMARY KEY, content bytea NOT NULL);
  CREATE TABLE sealed (id integer PRIMARY KEY, content bytea NOT NULL);
  CREATE TABLE certificate (id integer PRIMARY KEY, tbs bytea NOT NULL, content bytea);
  CREATE TABLE response (id integer PRIMARY KEY, content bytea NOT NULL);
  ALTER TABLE request ALTER raw SET STORAGE EXTERNAL;
  ALTER TABLE envelope ALTER content SET STORAGE EXTERNAL;
  ALTER TABLE sealed ALTER content SET STORAGE EXTERNAL;
  ALTER TABLE certificate ALTER tbs SET STORAGE EXTERNAL, ALTER content SET STORAGE EXTERNAL;
  ALTER TABLE response ALTER content SET STORAGE EXTERNAL;
`

/** One row each, with an envelope when there is one. */
const SUBMIT = `
  WITH r AS (INSERT INTO request (state, raw) VALUES ('received', $1) RETURNING id),
       e AS (INSERT INTO envelope SELECT id, $2::bytea FROM r WHERE $2::bytea IS NOT NULL)
  SELECT id FROM r`
const SEAL = `
  WITH s AS (INSERT INTO sealed SELECT id, $2 FROM unnest($1::integer[]) AS id),
       e AS (DELETE FROM envelope WHERE id = ANY ($1))
  UPDATE request SET state = 'sealed' WHERE id = ANY ($1)`
const RESERVE = `INSERT INTO certificate SELECT id, $2, NULL FROM unnest($1::integer[]) AS id`
const FINISH = `
  WITH c AS (UPDATE certificate SET content = $2 WHERE id = ANY ($1)),
       s AS (INSERT INTO response SELECT id, $3 FROM unnest($1::integer[]) AS id)
  UPDATE request SET state = 'issued' WHERE id = ANY ($1)`

/** A level of a benchmark that bare enrollments are to do too. */
export interface BareLevel {
  readonly concurrency: number
  /** How long the level was measured; ten seconds suffice here. */
  readonly seconds: number
  readonly sizes: RowSizes
  readonly begins?: 'with-request' | 'with-decision'
  readonly keys?: BareKeys
}

/** Of which kinds the keys are; RSA-2048 all of them unless said otherwise. Exchange keys and agents' are RSA-2048. */
interface BareKeys {
  readonly ca: SubscriberKey
  readonly subscriber: SubscriberKey
}

const RSA: BareKeys = { ca: 'rsa-2048', subscriber: 'rsa-2048' }

/** Has bare enrollments done, as many at a time as the level has, after a second to get warm. */
export async function measureBareEnrollment(
  database: MeasuredDatabase,
  { concurrency, seconds, sizes, begins, keys = RSA }: BareLevel
): Promise<Reference> {
  const bare = await openBareEnrollment(database, sizes, keys, begins)
  try {
    const limits = { concurrency, operationsOfWorker: UNLIMITED }
    await runLoad({ ...limits, seconds: 1 }, () => bare.operation())
    const start = { own: process.cpuUsage(), database: database.cpu() }
    const { rate, operations } = await runLoad({ ...limits, seconds: Math.min(seconds, LONGEST_SECONDS) }, () =>
      bare.operation()
    )
    const { user, system } = process.cpuUsage(start.own)
    const used = (user + system) / 1000 + database.cpu() - start.database
    return { what: bare.what, rate, cpuMsPerOperation: used / operations }
  } finally {
    await bare.close()
  }
}

/**
 * What an enrollment cannot avoid, in this process and on the same database server: the RSA operations and the durable
 * commits, with rows of the same sizes; no HTTP, no ASN.1, no policy, no audit log, no secondary indexes. One that begins
 * with a decision on a request that is there has a commit for the decision instead of the one for the request, and no
 * signature of a client to verify.
 */
async function openBareEnrollment(
  database: MeasuredDatabase,
  sizes: RowSizes,
  kinds: BareKeys,
  begins: 'with-request' | 'with-decision' = 'with-request'
): Promise<BareEnrollment> {
  const administration = new pg.Client(clientConfig(database.settings))
  await administration.connect()
  await administration.query(`DROP DATABASE IF EXISTS ${DATABASE}`)
  await administration.query(`CREATE DATABASE ${DATABASE}`)
  const pool = new pg.Pool({ ...clientConfig({ ...database.settings, database: DATABASE }), max: POOL })
  await pool.query(TABLES)
  const archived = sizes.envelope > 0
  const steps = stepsOf(pool, sizes, kinds)
  return {
    what: describe(archived, begins, kinds),
    operation: () => enroll(steps, begins === 'with-decision' ? 0 : archived ? 2 : 1, archived),
    close: async () => {
      await pool.end()
      await administration.query(`DROP DATABASE ${DATABASE}`)
      await administration.end()
    }
  }
}

function describe(archived: boolean, begins: 'with-request' | 'with-decision', { ca, subscriber }: BareKeys): string {
  const [signature, verification] = [ca, subscriber].map(kind => kind.toUpperCase())
  if (begins === 'with-decision') {
    return `2 ${signature} signatures; 3 commits, those after the first for up to 32 at once`
  }
  return archived
    ? `2 ${verification} verifications, 1 RSA-2048 decryption, 1 comparison of the key pair, 3 encryptions to agents, 2 ${signature} signatures; 4 commits, those after the first for up to 32 at once`
    : `1 ${verification} verification, 2 ${signature} signatures; 3 commits, those after the first for up to 32 at once`
}

interface Steps {
  readonly keys: Keys
  submit(): Promise<number>
  readonly seal: Batches<number>
  readonly issue: Batches<number>
}

async function enroll(steps: Steps, messages: number, archived: boolean): Promise<void> {
  for (let message = 0; message < messages; message++) await steps.keys.verify()
  const id = await steps.submit()
  if (archived) await steps.seal.add(id)
  await steps.issue.add(id)
}

function stepsOf(pool: pg.Pool, sizes: RowSizes, kinds: BareKeys): Steps {
  const keys = makeKeys(kinds)
  return {
    keys,
    submit: async () => {
      const values = [randomBytes(sizes.request), sizes.envelope > 0 ? randomBytes(sizes.envelope) : null]
      const { rows } = await pool.query<{ id: number }>({ name: 'submit', text: SUBMIT, values })
      return rows[0]?.id ?? 0
    },
    seal: new Batches(BATCH, async ids => {
      for (const _ of ids) keys.reseal()
      await pool.query({ name: 'seal', text: SEAL, values: [ids, randomBytes(sizes.sealed)] })
    }),
    issue: new Batches(BATCH, async ids => {
      await pool.query({ name: 'reserve', text: RESERVE, values: [ids, randomBytes(sizes.tbs)] })
      await Promise.all(ids.flatMap(() => [keys.sign(), keys.sign()]))
      const values = [ids, randomBytes(sizes.certificate), randomBytes(sizes.response)]
      await pool.query({ name: 'finish', text: FINISH, values })
    })
  }
}

interface Keys {
  verify(): Promise<void>
  sign(): Promise<void>
  /** Opens an archived key, compares it with its public half and encrypts it to three agents. */
  reseal(): void
}

function makeKeys(kinds: BareKeys): Keys {
  const [ca, exchange, subscriber] = ([kinds.ca, 'rsa-2048', kinds.subscriber] as const).map(makeSubscriberKey) as [
    KeyObject,
    KeyObject,
    KeyObject
  ]
  const agents = [1, 2, 3].map(() => createPublicKey(makeSubscriberKey('rsa-2048')))
  const publicKey = createPublicKey(subscriber)
  const message = randomBytes(1500)
  const signature = sign('sha256', message, subscriber)
  const contentKey = randomBytes(32)
  const iv = randomBytes(16)
  const padding = constants.RSA_PKCS1_PADDING
  const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const wrapped = publicEncrypt({ key: createPublicKey(exchange), padding }, contentKey)
  const encrypt = (plain: Uint8Array): Buffer => {
    const cipher = createCipheriv('aes-256-cbc', contentKey, iv)
    return Buffer.concat([cipher.update(plain), cipher.final()])
  }
  const encrypted = encrypt(subscriber.export({ type: 'pkcs8', format: 'der' }))
  return {
    verify: () =>
      new Promise((resolve, reject) => {
        verify('sha256', message, publicKey, signature, (error, isValid) =>
          isValid ? resolve() : reject(error ?? new Error('A signature does not verify.'))
        )
      }),
    sign: () =>
      new Promise((resolve, reject) => {
        sign('sha256', message, ca, error => (error === null ? resolve() : reject(error)))
      }),
    reseal: () => {
      const key = privateDecrypt({ key: exchange, padding }, wrapped)
      const decipher = createDecipheriv('aes-256-cbc', key, iv)
      const plain = Buffer.concat([decipher.update(encrypted), decipher.final()])
      const opened = createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' })
      if (!createPublicKey(opened).equals(publicKey)) throw new Error('The archived key is another one.')
      encrypt(plain)
      for (const agent of agents) publicEncrypt({ key: agent, ...oaep }, contentKey)
    }
  }
}
