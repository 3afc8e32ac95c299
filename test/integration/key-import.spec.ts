import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { CR_DISP_ISSUED, type Console, Enrollment, importArchivedKey, type KeyImportView } from '@app/client'
import { toHex } from '@app/core'
import { keyBlobToPkcs8, openWithShares, transferShare } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeCertificate, encodeKeyUsage } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wrapKey } from '../helpers/archival-requests.js'
import { during } from '../helpers/database-faults.js'
import { freshEntropy, rejectionOf, sampleRsaKey } from '../helpers/escrow-samples.js'
import { makeRecoveryAgent } from '../helpers/recovery-agent.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { sealedKeyOf } from '../helpers/submission.js'
import { buildSampleCertificate, sampleKey, toSampleKey } from '../helpers/x509-samples.js'

const template = 'UserEncryption'
let server: TestServer
let console: Console

beforeAll(async () => {
  server = await startTestServer({ agents: 3 })
  console = server.operate(await server.addOperator('administrator'))
})

afterAll(async () => {
  await console[Symbol.asyncDispose]()
  await server.stop()
})

describe('the import of a key', () => {
  it('archives the key of a certificate that this CA issued without, with its request, and once', async () => {
    const own = await issueWithoutKey()
    const order = { ca: server.ca.name, template, privateKey: own.privateKey, certificate: own.certificate }
    const view = await importArchivedKey(console, server.root, order)
    expect(view).toMatchObject({ state: 'sealed', requestId: own.requestId, foreign: false })
    expect(await openedKey(own.requestId)).toBe(pkcs8Of(own.privateKey))

    expect(await rejectionOf(() => importArchivedKey(console, server.root, order))).toBe('archived_key_exists')
    const before = (await sealedKeyOf(server, own.requestId)).sealed
    await importArchivedKey(console, server.root, { ...order, replace: true })
    expect((await sealedKeyOf(server, own.requestId)).sealed.equals(before)).toBe(false)
    expect(await openedKey(own.requestId)).toBe(pkcs8Of(own.privateKey))

    expect(await eventsOf('sealed_key', String(own.requestId))).toEqual([
      { action: 'sealed_key.imported', outcome: 'success' },
      { action: 'sealed_key.imported', outcome: 'success' }
    ])
  })

  it('refuses the key of another certificate, on the client’s machine and on the server', async () => {
    const own = await issueWithoutKey()
    const other = sampleRsaKey(1)
    const order = { ca: server.ca.name, template, certificate: own.certificate }
    expect(await rejectionOf(() => importArchivedKey(console, server.root, { ...order, privateKey: other }))).toBe(
      'archived_key_mismatch'
    )
    const view = await handIn(other, own.certificate, { template })
    expect(view).toMatchObject({ state: 'failed', code: 'archived_key_mismatch' })
    expect(await eventsOf('key_import', view.id)).toEqual([
      { action: 'key_import.received', outcome: 'success' },
      { action: 'key_import.failed', outcome: 'failed' }
    ])
    expect(await server.sql('SELECT import_id FROM certkeep.key_import_envelope')).toEqual([])
    expect(await server.sql('SELECT 1 FROM certkeep.sealed_key WHERE request_id = $1', [own.requestId])).toEqual([])
  })

  it('replaces no key that is being recovered, and does once the recovery is over', async () => {
    const own = await issueWithoutKey()
    const { privateKey, certificate } = own
    await importArchivedKey(console, server.root, { ca: server.ca.name, template, privateKey, certificate })
    const { sealed } = await sealedKeyOf(server, own.requestId)
    await using officer = server.operate(await server.addOperator('officer'))
    const recipient = (await recipientOnce).certificate.raw
    const { id } = await officer.recoveries.request({
      key: { request: own.requestId },
      reason: 'The card is lost.',
      ticket: 'T-1',
      recipient
    })
    const refused = await handIn(privateKey, certificate, { template, replace: true })
    expect(refused).toMatchObject({ state: 'failed', code: 'conflict' })
    expect((await sealedKeyOf(server, own.requestId)).sealed.equals(sealed)).toBe(true)
    expect((await officer.recoveries.get(id)).state).toBe('requested')
    await officer.recoveries.withdraw(id)
    expect(await handIn(privateKey, certificate, { template, replace: true })).toMatchObject({
      state: 'sealed'
    })
    expect(await openedKey(own.requestId)).toBe(pkcs8Of(own.privateKey))
  })

  it('takes the certificate of another CA only as a foreign one, and gives it a request of its own', async () => {
    const owner = await server.addPrincipal()
    const account = `${owner.row.domain}\\${owner.row.accountName}`
    const privateKey = sampleRsaKey(2)
    const certificate = foreignCertificate(privateKey)
    const order = { ca: server.ca.name, privateKey, certificate, owner: account }
    const refused = (changes: object): Promise<string | undefined> =>
      rejectionOf(() => importArchivedKey(console, server.root, { ...order, ...changes }))
    expect(await refused({ template })).toBe('invalid_argument')
    expect(await refused({ foreign: true })).toBe('invalid_argument')
    expect(await refused({ foreign: true, template: 'WebServer' })).toBe('invalid_argument')

    const view = await importArchivedKey(console, server.root, { ...order, template, foreign: true })
    expect(view).toMatchObject({ state: 'sealed', foreign: true, owner: account })
    const requestId = view.requestId ?? 0
    expect(await openedKey(requestId)).toBe(pkcs8Of(privateKey))
    // Its owner sees the request, issued out of band; the ledger of serial numbers knows nothing of it.
    await using request = server.connect(owner)
    expect(await request.retrievePending(requestId)).toBe(4)
    expect(request.dispositionMessage).toBe('Issued out of band (foreign)')
    expect(await server.sql('SELECT 1 FROM certkeep.certificate WHERE request_id = $1', [requestId])).toEqual([])
    expect(await refused({ template, foreign: true })).toBe('archived_key_exists')
  })

  it('takes keys on curves and keys that are short by today’s rules', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    for (const privateKey of [sampleKey('P-384').privateKey, short]) {
      const certificate = foreignCertificate(privateKey)
      const order = { ca: server.ca.name, template, foreign: true, privateKey, certificate }
      const { requestId = 0 } = await importArchivedKey(console, server.root, order)
      expect(await openedKey(requestId)).toBe(pkcs8Of(privateKey))
    }
  })

  it('ends once when the database refuses the sealed key in the middle, and when a call is made again', async () => {
    const own = await issueWithoutKey()
    const id = randomUUID()
    const waiting = await during(server, { table: 'sealed_key', on: 'INSERT' }, () =>
      handIn(own.privateKey, own.certificate, { template, id }, 0)
    )
    expect(waiting.state).toBe('received')
    const nudge = (): void => server.running.runtime.wakeups.nudge('import')
    await expect
      .poll(
        async () => {
          nudge()
          return (await console.keyImports.show(id)).state
        },
        { timeout: 10_000 }
      )
      .toBe('sealed')
    expect(await handIn(own.privateKey, own.certificate, { template, id })).toMatchObject({ id, state: 'sealed' })
    expect(await eventsOf('sealed_key', String(own.requestId))).toHaveLength(1)
  })
})

interface IssuedWithoutKey {
  readonly requestId: number
  readonly certificate: Uint8Array
  readonly privateKey: KeyObject
}

/** A certificate of a template that does not archive, with its key. */
async function issueWithoutKey(): Promise<IssuedWithoutKey> {
  await using request = server.connect(await server.addPrincipal())
  const enrollment = new Enrollment({ trust: server.root })
  const pkcs10 = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } })
  expect(await request.submit(pkcs10, { flags: 0 })).toBe(CR_DISP_ISSUED)
  const accepted = await enrollment.acceptResponse(await request.getFullResponse())
  return { requestId: request.requestId, certificate: accepted.certificate, privateKey: accepted.privateKey }
}

function foreignCertificate(privateKey: KeyObject): Uint8Array {
  const key = toSampleKey(privateKey)
  const extension = { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['keyEncipherment']) }
  return buildSampleCertificate(key, { extensions: [extension] })
}

/** Hands a key in as a client does that checks nothing. */
async function handIn(
  privateKey: KeyObject,
  certificate: Uint8Array,
  order: object,
  wait = 10
): Promise<KeyImportView> {
  const [pem] = (await console.keyImports.exchangeCertificate(server.ca.name)).split(/(?<=END CERTIFICATE-----\n)/)
  const exchange = decodeCertificate(Buffer.from((pem ?? '').replaceAll(/-----.*-----|\s/g, ''), 'base64'))
  const wrappedKey = Buffer.from(wrapKey(privateKey, 'microsoft', exchange)).toString('base64')
  const ca = server.ca.name
  return console.keyImports.add(
    { ca, certificate: Buffer.from(certificate).toString('base64'), wrappedKey, ...order },
    wait
  )
}

/** The archived key as two of the agents open it together for somebody, PKCS#8 in hexadecimal. */
async function openedKey(requestId: number): Promise<string> {
  const { sealed } = await sealedKeyOf(server, requestId)
  const recipient = await recipientOnce
  const transferred = await Promise.all(
    server.agents.slice(1).map(({ privateKey, certificate: agent }) =>
      transferShare({
        sealed,
        decrypter: decrypterOf(privateKey),
        agent,
        recipient: recipient.certificate,
        entropy: freshEntropy
      })
    )
  )
  return openWithShares({
    sealed,
    transferred,
    decrypter: decrypterOf(recipient.privateKey),
    use: ({ plaintext }) => toHex(keyBlobToPkcs8(plaintext))
  })
}

const recipientOnce = makeRecoveryAgent('Recipient')

function pkcs8Of(privateKey: KeyObject): string {
  return toHex(privateKey.export({ type: 'pkcs8', format: 'der' }))
}

function eventsOf(objectType: string, objectId: string): Promise<readonly object[]> {
  return server.sql(
    'SELECT action, outcome FROM certkeep.audit_event WHERE object_type = $1 AND object_id = $2 ORDER BY seq',
    [objectType, objectId]
  )
}
