import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import { OID } from '@app/oid'
import { builtInTemplates, ENROLLMENT_FLAG } from '@app/templates'
import {
  decodeCertificate,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  findExtension,
  verifyCertificateSignature,
  type Certificate
} from '@app/x509'
import { importExchangeKey } from '../../apps/cli/src/administration/ca-actions.js'
import { administer, offerTemplate } from '../helpers/administration.js'
import { cmcRequest, wrapKey } from '../helpers/archival-requests.js'
import { decidePending } from '../helpers/decisions.js'
import { issueExchangeCertificate, makeCa, pemOf } from '../helpers/enrollment-ca.js'
import { sampleRsaKey } from '../helpers/escrow-samples.js'
import { tracesOf } from '../helpers/request-outcomes.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { sampleKey } from '../helpers/x509-samples.js'

let server: TestServer
let user: TestPrincipal
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  client = server.connect(user)
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

async function exchange(): Promise<Certificate> {
  return decodeCertificate(await client.getCACertificate({ exchange: true }))
}

/** A request for the sample key 0, which is wrapped to the certificate. */
function archiving(certificate: Certificate, template = 'UserEncryption'): Promise<Uint8Array> {
  const privateKey = sampleRsaKey(0)
  const envelope = wrapKey(privateKey, 'standard', certificate)
  return cmcRequest({ dialect: 'standard', privateKey, template, envelope })
}

interface KeyRow {
  readonly id: number
  readonly state: string
  readonly reference: string
}

async function keyOf({ serialNumber }: Certificate): Promise<KeyRow> {
  const [row] = await server.sql<KeyRow>(
    'SELECT id, state, key_reference AS reference FROM certkeep.exchange_key WHERE serial_number = $1',
    [Buffer.from(serialNumber)]
  )
  if (row === undefined) throw new Error('There is no such exchange key.')
  return row
}

/** Whether the private key is still in the archive's key store. */
function isKept({ reference }: KeyRow): boolean {
  return readdirSync(join(server.config.home, 'keys', 'archive')).some(name => name.startsWith(reference))
}

const endsIn = (certificate: Certificate, interval: string) =>
  server.sql(`UPDATE certkeep.exchange_key SET not_after = now() + $2::interval WHERE serial_number = $1`, [
    Buffer.from(certificate.serialNumber),
    interval
  ])

/** Has the archive look after its keys now. */
async function keepKeys(): Promise<void> {
  server.running.runtime.wakeups.nudge('exchange-keys')
  await server.running.runtime.steps.idle()
}

describe('an exchange certificate', () => {
  it('is of the CA, for exchange alone, for a week', async () => {
    const certificate = await exchange()
    verifyCertificateSignature(certificate, server.ca.certificate.publicKey)
    const valueOf = (oid: string) => findExtension(certificate, oid)?.value ?? new Uint8Array()
    expect([...decodeKeyUsage(valueOf(OID.id_ce_keyUsage))]).toEqual(['keyEncipherment'])
    expect(decodeExtendedKeyUsage(valueOf(OID.id_ce_extKeyUsage))).toEqual([OID.szOID_KP_CA_EXCHANGE])
    expect(certificate.subject.rdns.flat().map(({ value }) => value)).toEqual(['Test CA-Xchg'])
    const days = (certificate.notAfter.getTime() - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(6.9)
    expect(days).toBeLessThan(7.1)
    expect(certificate.publicKey).toMatchObject({ algorithm: 'rsa', bits: 2048 })
  })

  it('is made when a CA is first asked for it, one for all who ask at once', async () => {
    const other = await server.addCa('Other CA')
    await using request = server.connect(user, other.name)
    const asked = await Promise.all(Array.from({ length: 8 }, () => request.getCACertificate({ exchange: true })))
    expect(new Set(asked.map(bytes => decodeCertificate(bytes).serialHex)).size).toBe(1)
    expect(await server.sql('SELECT state FROM certkeep.exchange_key WHERE ca_id = $1', [other.id])).toEqual([
      { state: 'certified' }
    ])
  })

  it('stays the same until its last day', async () => {
    const before = await exchange()
    await endsIn(before, '25 hours')
    expect((await exchange()).serialHex).toBe(before.serialHex)
  })

  it('is replaced in its last day, and what was wrapped to it can still be used', async () => {
    const before = await exchange()
    const message = await archiving(before)
    await endsIn(before, '23 hours')
    const after = await exchange()
    expect(after.serialHex).not.toBe(before.serialHex)
    expect((await exchange()).serialHex).toBe(after.serialHex)
    expect(await client.submit(message)).toBe(3)
    await keepKeys()
    expect((await keyOf(before)).state).toBe('certified')
  })
})

describe('an exchange key', () => {
  it('is destroyed a day after its certificate has ended', async () => {
    const certificate = await exchange()
    await endsIn(certificate, '-23 hours')
    await keepKeys()
    const key = await keyOf(certificate)
    expect([key.state, isKept(key)]).toEqual(['certified', true])

    await endsIn(certificate, '-25 hours')
    await keepKeys()
    expect((await keyOf(certificate)).state).toBe('destroyed')
    expect(isKept(key)).toBe(false)
    const events = await server.sql(
      `SELECT actor FROM certkeep.audit_event WHERE action = 'exchange_key.destroyed' AND object_id = $1`,
      [String(key.id)]
    )
    expect(events).toEqual([{ actor: 'role:archive' }])
  })

  it('is kept while a request that is wrapped to it waits for an officer, and destroyed after', async () => {
    const held = builtInTemplates().find(({ name }) => name === 'UserEncryption')
    if (held === undefined) throw new Error('There is no such template.')
    const enrollmentFlags = held.enrollmentFlags | ENROLLMENT_FLAG.PEND_ALL_REQUESTS
    await offerTemplate(server, { ...held, name: 'HeldEncryption', oid: '2.25.4711', enrollmentFlags })

    const certificate = await exchange()
    expect(await client.submit(await archiving(certificate, 'HeldEncryption'))).toBe(5)
    const { requestId } = client
    await server.sql(`UPDATE certkeep.request SET submitted_at = now() - interval '4 days' WHERE id = $1`, [requestId])
    await endsIn(certificate, '-3 days')
    await keepKeys()
    const key = await keyOf(certificate)
    expect([key.state, isKept(key)]).toEqual(['certified', true])

    await decidePending(server, requestId, 'approved')
    server.running.runtime.wakeups.nudge('seal')
    expect(await client.retrievePending(requestId, { wait: 20 })).toBe(3)
    expect(await tracesOf(server, requestId)).toMatchObject({ sealedKeys: 1, envelopes: 0 })
    await keepKeys()
    expect([(await keyOf(certificate)).state, isKept(key)]).toEqual(['destroyed', false])
  })
})

describe('an exchange key of another CA that was imported', () => {
  it('opens what is wrapped to it and is handed out to nobody, however long it lasts', async () => {
    const foreign = makeCa('CN=Foreign CA')
    const notAfter = new Date(Date.now() + 30 * 86_400_000)
    const certificate = issueExchangeCertificate(foreign, { notBefore: new Date(Date.now() - 60_000), notAfter })
    const directory = mkdtempSync(join(tmpdir(), 'certkeep-import-'))
    const files = { certificate: join(directory, 'exchange.pem'), key: join(directory, 'exchange.key') }
    writeFileSync(files.certificate, pemOf(certificate))
    writeFileSync(files.key, sampleKey('rsa').privateKey.export({ type: 'pkcs8', format: 'pem' }))
    try {
      const options = { ...files, ca: server.ca.name }
      expect(await administer(server, () => importExchangeKey(options))).toBe(certificate.serialHex)
    } finally {
      rmSync(directory, { recursive: true })
    }

    const own = await exchange()
    expect(own.serialHex).not.toBe(certificate.serialHex)
    verifyCertificateSignature(own, server.ca.certificate.publicKey)
    await endsIn(own, '-1 hour')
    const next = await exchange()
    expect([own.serialHex, certificate.serialHex]).not.toContain(next.serialHex)

    expect(await client.submit(await archiving(certificate))).toBe(3)
    expect(client.status.archivedKey).toBe(true)
  })
})
