import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { appendFileSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeRecoveryRecipient, unwrapSealedKey, type RecoveryPackage } from '@app/client'
import { systemClock, toHex } from '@app/core'
import { decodeEnvelopedData, openEnvelopedData } from '@app/cms'
import { DerReader } from '@app/der'
import {
  decodeThresholdSealedKey,
  isThresholdSealed,
  keyBlobToPkcs8,
  openSealedKey,
  openWithShares,
  type OpenedKey
} from '@app/escrow'
import { decrypterOf, generateKeyPairOf, type Decrypter } from '@app/keys'
import { createLogger } from '@app/platform'
import { decodeCertificate } from '@app/x509'
import { combine } from 'shamir-secret-sharing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { keepPlain } from '../helpers/plain-storage.js'
import { cmcRequest, wrapKey } from '../helpers/archival-requests.js'
import { CanarySearch, needlesOf, needlesOfNumber, type Found } from '../helpers/canary-search.js'
import { realEntropy } from '../helpers/cms-messages.js'
import { createOwnDatabase, type TestDatabase } from '../helpers/database.js'
import { offerVariant, submitAs } from '../helpers/endorsed-requests.js'
import { rejectionOf } from '../helpers/escrow-samples.js'
import type { RecoveryAgent } from '../helpers/recovery-agent.js'
import { addRecoveryParties, recoverKey, type RecoveryParties } from '../helpers/recovery-parties.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { sealedKeyOf, submitBytes } from '../helpers/submission.js'

/** Everything that the server and its database write is below this directory, and nothing else is. */
let directory: string
let database: TestDatabase
let server: TestServer
let parties: RecoveryParties
let user: TestPrincipal

const canaries = { rsa: rsaKey(), ec: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, refused: rsaKey() }
/** Is written where no key may be, in every form, so that the search is known to find what is there. */
const planted = randomBytes(256)
/** The sealed keys, in the order they were made; the first is one that two of three agents open together. */
const sealed: Buffer[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'certkeep-canary-'))
  // As root, the database server runs as a user that must be able to pass through.
  chmodSync(directory, 0o711)
  vi.stubEnv('TMPDIR', directory)
  database = await createOwnDatabase(join(directory, 'database'))
  await keepPlain(database)
  const [setting] = await (
    await database.open('archive')
  ).dataSource.query<{ wal_compression: string }[]>('SHOW wal_compression')
  if (setting?.wal_compression !== 'off') throw new Error('The write-ahead log is compressed.')
  const destination = { write: (line: string) => appendFileSync(join(directory, 'server.log'), line) }
  server = await startTestServer({ database, log: createLogger({ level: 'debug', format: 'json', destination }) })
  await offerVariant(server, 'UserEncryption', { name: 'AnyAgent', archival: { mode: 'any-agent', agentCount: 3 } })
  parties = await addRecoveryParties(server)
  user = await server.addPrincipal()
  await enrollAndRecover('UserEncryption', canaries.rsa)
  await enrollAndRecover('AnyAgent', canaries.rsa)
  await enrollAndRecover('UserEncryption', canaries.ec)
  await failToArchive()
})

afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true, force: true })
})

function rsaKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

/** Every row of every table, in the text form of PostgreSQL, as a dump has them. */
async function dump(): Promise<Buffer> {
  const { dataSource } = await database.open('owner')
  const tables = await dataSource.query<{ name: string }[]>(`
    SELECT c.oid::regclass::text AS name FROM pg_class AS c WHERE c.relkind = 'r'
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
  const lines: string[] = []
  for (const { name } of tables) {
    const rows = await dataSource.query<{ row: string }[]>(`SELECT t::text AS row FROM ${name} AS t`)
    lines.push(`TABLE ${name}`, ...rows.map(({ row }) => row))
  }
  return Buffer.from(lines.join('\n'))
}

async function enrollAndRecover(template: string, key: KeyObject): Promise<void> {
  await using client = server.connect(user)
  const privateKeyArchiveCertificate = await client.getCACertificate({ exchange: true })
  const settings = { privateKeyArchiveCertificate, key: { privateKey: key } }
  const { request } = await submitAs(server, user, { template: { name: template } }, settings)
  expect(request.dispositionMessage).toBe('Issued')
  sealed.push(Buffer.from((await sealedKeyOf(server, request.requestId)).sealed))
  const options = { name: 'Recipient', validitySeconds: 3600, clock: systemClock, entropy: realEntropy }
  const recipient = await makeRecoveryRecipient(options)
  const recovery = await recoverKey(server, parties, request.requestId, recipient.certificate)
  expect(await open(recovery, recipient.privateKey)).toBe(toHex(key.export({ type: 'pkcs8', format: 'der' })))
}

function open({ mode, package: bytes, shares }: RecoveryPackage, recipient: KeyObject): Promise<string> {
  const use = ({ plaintext }: OpenedKey): string => toHex(keyBlobToPkcs8(plaintext))
  if (mode === 'threshold') {
    const transferred = shares.map(({ share }) => share)
    return openWithShares({ sealed: bytes, transferred, decrypter: decrypterOf(recipient), use })
  }
  const [agent] = server.agents
  if (agent === undefined) throw new Error('There is no agent.')
  return openSealedKey({ sealed: unwrapSealedKey(bytes).sealed, decrypter: decrypterOf(agent.privateKey), use })
}

/** A key that opens and is refused, because it is not the one that is to be certified. */
async function failToArchive(): Promise<void> {
  await using client = server.connect(user)
  const exchange = decodeCertificate(await client.getCACertificate({ exchange: true }))
  const { privateKey } = await generateKeyPairOf('rsa-2048')
  const envelope = wrapKey(canaries.refused, 'microsoft', exchange)
  const request = await cmcRequest({ dialect: 'microsoft', privateKey, template: 'UserEncryption', envelope })
  expect(await submitBytes(server, user, request)).toMatchObject({ statusSymbol: 'NTE_BAD_KEY' })
}

/** Puts a number where no key may be: into a row that is deleted, into JSON, a log and a temporary file. */
async function plant(): Promise<void> {
  const { dataSource } = await database.open('owner')
  await dataSource.query('CREATE TABLE certkeep.planted (raw bytea, told jsonb)')
  const told = { key: planted.toString('hex').toUpperCase() }
  await dataSource.query('INSERT INTO certkeep.planted VALUES ($1, $2)', [planted, told])
  await dataSource.query('CHECKPOINT')
  await dataSource.query('DELETE FROM certkeep.planted')
  const texts = [0, 1, 2].map(shift => Buffer.concat([randomBytes(shift), planted]).toString('base64'))
  appendFileSync(join(directory, 'server.log'), texts.map(text => `{"message":"${text}"}\n`).join(''))
  writeFileSync(join(directory, 'leftover.tmp'), Buffer.from(planted.toReversed()))
}

/** What is encrypted in a sealed key: its agents' shares and the content key that they make. */
async function secretsOf(key: Uint8Array): Promise<Readonly<Record<string, Buffer>>> {
  const { shares } = decodeThresholdSealedKey(key)
  const parts = await Promise.all(shares.map(({ envelope }) => shareIn(envelope)))
  const content = await combine(parts.slice(0, 2))
  return {
    content: Buffer.from(content),
    ...Object.fromEntries(parts.map((part, i) => [`share${i}`, Buffer.from(part)]))
  }
}

/** The share in an envelope, opened by whichever agent it is for. */
async function shareIn(envelope: Uint8Array): Promise<Uint8Array> {
  const enveloped = decodeEnvelopedData(envelope)
  const attempts = server.agents.map(({ privateKey }) => {
    const decrypter = decrypterOf(privateKey)
    return openEnvelopedData(enveloped, (key, transport) => decrypter.unwrap(key, transport))
  })
  const body = DerReader.over(await Promise.any(attempts)).sequence('AgentShare')
  body.smallInteger('version')
  body.octetString('keyHash')
  return Uint8Array.from(body.octetString('share'))
}

/** Every value of every table that is bytes. */
async function everyValue(): Promise<Buffer[]> {
  const { dataSource } = await database.open('owner')
  const columns = await dataSource.query<{ query: string }[]>(`
    SELECT format('SELECT %I AS value FROM %s WHERE %1$I IS NOT NULL', a.attname, a.attrelid::regclass) AS query
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'bytea'::regtype
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
  const values: Buffer[] = []
  for (const { query } of columns) {
    values.push(...(await dataSource.query<{ value: Buffer }[]>(query)).map(({ value }) => value))
  }
  return values
}

/** The decrypters of every key that the server has for decryption: those of its exchange certificates. */
async function serverDecrypters(): Promise<readonly Decrypter[]> {
  const rows = await server.sql<{ reference: string }>('SELECT key_reference AS reference FROM certkeep.exchange_key')
  const store = server.running.installation.keys('archive')
  return Promise.all(rows.map(({ reference }) => store.decrypter(reference)))
}

describe('a key that two of three agents open together', () => {
  it.each([0, 1, 2])('is not opened by the server, its whole database and agent %i', async index => {
    const [key = Buffer.alloc(0)] = sealed
    const agent = server.agents[index] as RecoveryAgent
    const envelopes = (await everyValue()).flatMap(value => {
      try {
        return isThresholdSealed(value) ? decodeThresholdSealedKey(value).shares.map(share => share.envelope) : [value]
      } catch {
        return []
      }
    })
    const decrypters = [...(await serverDecrypters()), decrypterOf(agent.privateKey)]
    let opened = 0
    for (const decrypter of decrypters) {
      // Each envelope by itself is a share, one of another key, or none at all; with one or two that are, more would open.
      const attempts = envelopes.map(envelope =>
        rejectionOf(() => openWithShares({ sealed: key, transferred: [envelope], decrypter, use: () => undefined }))
      )
      const verdicts = await Promise.all(attempts)
      expect(verdicts).not.toContain(undefined)
      const own = envelopes.filter((_, place) => verdicts[place] === 'recovery_shares_missing')
      opened += own.length
      const together = () => openWithShares({ sealed: key, transferred: own, decrypter, use: () => undefined })
      expect(await rejectionOf(together)).toBe('recovery_shares_missing')
    }
    // The agent's own share is found, so the attempt is one that could succeed.
    expect(opened).toBeGreaterThan(0)
  })
})

describe('the numbers of an archived private key', () => {
  it('are in no table, dump, write-ahead log, log or temporary file after it was recovered in both modes', async () => {
    const secrets = await secretsOf(sealed[0] as Buffer)
    const dumped = await dump()
    await plant()
    const sealedWindows = sealed.flatMap((bytes, index) => needlesOfNumber(`sealed key ${index}`, bytes))
    const needles = [
      ...Object.entries(canaries).flatMap(([name, key]) => needlesOf(name, key)),
      ...server.agents.flatMap(({ privateKey }, index) => needlesOf(`agent${index}`, privateKey)),
      ...Object.entries(secrets).flatMap(([name, bytes]) => needlesOfNumber(`${name} of sealed`, bytes)),
      ...needlesOfNumber('planted', planted),
      ...sealedWindows
    ]
    const search = new CanarySearch(needles)
    await server.stop()
    const { found, bytes } = await search.searchDirectory(directory)
    const everywhere = [...found, ...search.search('dump', dumped)]

    // 1. The search finds what is there: the sealed keys in tables, write-ahead log and dump, the planted in every form.
    expect(bytes).toBeGreaterThan(20_000_000)
    for (const index of sealed.keys()) {
      expect(placesOf(everywhere, `sealed key ${index}`)).toEqual(['dump', 'table', 'write-ahead log'])
    }
    expect(placesOf(everywhere, 'planted')).toEqual(['leftover.tmp', 'server.log', 'table', 'write-ahead log'])
    const forms = new Set(everywhere.filter(isOf('planted')).map(({ needle }) => needle.replace(/.*, /, '')))
    const base64 = ['base64 at 0', 'base64 at 1', 'base64 at 2']
    expect([...forms]).toEqual(expect.arrayContaining(['raw', 'reversed', 'upper-case hexadecimal', ...base64]))

    // 2. And nothing else: no number of a private key, be it an agent's, no share and no content key.
    const allowed = [isOf('planted'), isOf('sealed key [0-9]+')]
    expect(everywhere.filter(each => !allowed.some(is => is(each)))).toEqual([])
    expect(needles.length).toBeGreaterThan(500)
  })
})

function isOf(name: string): (found: Found) => boolean {
  return ({ needle }) => new RegExp(`^${name} from octet`).test(needle)
}

/** Where something was found: names of files, and kinds of places in the database. */
function placesOf(found: readonly Found[], name: string): string[] {
  const places = found.filter(isOf(name)).map(({ place }) => {
    if (place.includes('/pg_wal/')) return 'write-ahead log'
    return place.includes('/base/') ? 'table' : place.replace(/^.*\//, '')
  })
  return [...new Set(places)].toSorted()
}
