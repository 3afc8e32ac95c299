import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OID } from '@app/oid'
import { decodeCertificate, findExtension, formatName } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CertRequest, Enrollment, installPem, type SigningIdentity } from '@app/client'
import { decodeFullResponse, findIssuedCertificate } from '@app/cmc'
import { ENROLLMENT_FLAG, PRIVATE_KEY_FLAG, SUBJECT_NAME_FLAG } from '@app/templates'
import { enroll } from '../../apps/cli/src/client/enroll-action.js'
import { during } from '../helpers/database-faults.js'
import { identityOf, offerVariant, submitAs } from '../helpers/endorsed-requests.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { createCaller } from '../helpers/http-calls.js'
import { sealedKeyOf } from '../helpers/submission.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let other: TestPrincipal
let old: SigningIdentity

const { ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL, PEND_ALL_REQUESTS, PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT } =
  ENROLLMENT_FLAG
const named = (name: string) => ({ template: { name } })

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  other = await server.addPrincipal()
  old = await identityOf(server, user, named('UserSignature'))
  await offerVariant(server, 'UserSignature', {
    name: 'KeyBased',
    enrollmentFlags: ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL
  })
})

afterAll(() => server.stop())

describe('a renewal', () => {
  it.each(['cmc', 'pkcs7'] as const)('in the form %s with a new key is issued', async type => {
    const { request, enrollment } = await submitAs(server, user, { type, ...named('UserSignature'), renew: old })
    expect(request.status).toMatchObject({ dispositionName: 'issued', statusSymbol: 'S_OK' })
    await using again = server.connect(user)
    await again.retrievePending(request.requestId)
    const accepted = decodeCertificate((await enrollment.acceptResponse(await again.getFullResponse())).certificate)
    const before = decodeCertificate(old.certificate)
    expect(formatName(accepted.subject)).toBe(formatName(before.subject))
    expect(accepted.publicKey.keyId).not.toEqual(before.publicKey.keyId)
  })

  it.each(['cmc', 'pkcs7'] as const)('in the form %s may keep its key', async type => {
    const renew = { ...old, keepKey: true }
    // Ties or a fresh client info make two requests for one key differ.
    const clientInfo = { process: randomBytes(4).toString('hex') }
    const { request } = await submitAs(server, user, { type, ...named('UserSignature'), renew, clientInfo })
    expect(request.status).toMatchObject({ dispositionName: 'issued' })
  })

  it('is told from a new request by its attribute alone', async () => {
    const { request } = await submitAs(server, user, { ...named('UserSignature'), renew: old })
    const [row] = await server.sql<{ readonly row_flags: string }>(
      'SELECT row_flags FROM certkeep.request WHERE id = $1',
      [request.requestId]
    )
    expect(Number(row?.row_flags) & 0x2).toBe(0x2)
  })

  it.each<[string, () => Promise<Partial<Parameters<typeof submitAs>[2]>>, TestPrincipal | undefined, string]>([
    [
      'of another template',
      async () => ({ ...named('KeyBased'), renew: old }),
      undefined,
      'CERTSRV_E_TEMPLATE_CONFLICT'
    ],
    [
      'of another’s certificate',
      async () => ({ ...named('UserSignature'), renew: await identityOf(server, other, named('UserSignature')) }),
      undefined,
      'CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE'
    ]
  ])('%s is denied', async (_what, options, _by, symbol) => {
    const { request } = await submitAs(server, user, await options())
    expect(request.status).toMatchObject({ dispositionName: 'denied', statusSymbol: symbol })
  })

  it('of a revoked certificate is denied', async () => {
    const { request: first, enrollment } = await submitAs(server, user, named('UserSignature'))
    await using retrieved = server.connect(user)
    await retrieved.retrievePending(first.requestId)
    const renew = await enrollment.acceptResponse(await retrieved.getFullResponse())
    await revokeCertificateOf(server, first.requestId)
    const { request } = await submitAs(server, user, { ...named('UserSignature'), renew })
    expect(request.status).toMatchObject({ dispositionName: 'denied', statusSymbol: 'CRYPT_E_REVOKED' })
  })

  it('of an expired certificate is denied', async () => {
    const brief = { validitySeconds: 60, overlapSeconds: 0 }
    await offerVariant(server, 'UserSignature', { name: 'Brief', ...brief })
    const renew = await identityOf(server, user, named('Brief'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 })
    try {
      const { request } = await submitAs(server, user, { ...named('Brief'), renew })
      expect(request.status).toMatchObject({ dispositionName: 'denied', statusSymbol: 'CERT_E_EXPIRED' })
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a template that keeps keys', () => {
  beforeAll(async () => {
    const privateKeyFlags = PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL
    await offerVariant(server, 'UserSignature', { name: 'SameKey', privateKeyFlags })
    await offerVariant(server, 'UserEncryption', {
      name: 'SameArchivedKey',
      privateKeyFlags: privateKeyFlags | PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL
    })
  })

  it('takes no renewal with another key', async () => {
    const renew = await identityOf(server, user, named('SameKey'))
    const { request } = await submitAs(server, user, { ...named('SameKey'), renew })
    expect(request.status).toMatchObject({ statusSymbol: 'CERTSRV_E_RENEWAL_BAD_PUBLIC_KEY' })
    const kept = await submitAs(server, user, { ...named('SameKey'), renew: { ...renew, keepKey: true } })
    expect(kept.request.isIssued).toBe(true)
  })

  it('archives a key once: the renewed certificate has the key that was sealed before', async () => {
    await using exchange = server.connect(user)
    const privateKeyArchiveCertificate = await exchange.getCACertificate({ exchange: true })
    const archival = { privateKeyArchiveCertificate, key: { algorithm: 'rsa-2048' } } as const
    const first = await submitAs(server, user, named('SameArchivedKey'), archival)
    await exchange.retrievePending(first.request.requestId)
    const renew = { ...(await first.enrollment.acceptResponse(await exchange.getFullResponse())), keepKey: true }
    const { request, enrollment } = await submitAs(server, user, { ...named('SameArchivedKey'), renew })
    expect(request.status).toMatchObject({ dispositionName: 'issued', archivedKey: true })
    const [before, after] = await Promise.all(
      [first.request, request].map(({ requestId }) => sealedKeyOf(server, requestId))
    )
    expect(after?.sealed).toEqual(before?.sealed)
    expect(after?.agentIds).toEqual(before?.agentIds)
    await exchange.retrievePending(request.requestId)
    expect(await enrollment.acceptResponse(await exchange.getFullResponse())).toBeDefined()
  })

  it('is denied when its template has come to archive keys since it was signed in vain, and holds up nobody', async () => {
    const privateKeyFlags = PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL
    const before = await offerVariant(server, 'UserSignature', { name: 'Archiving', privateKeyFlags })
    const key = { key: { algorithm: 'rsa-2048' } } as const
    const first = await submitAs(server, user, named('Archiving'), key)
    await using renewal = server.connect(user)
    await renewal.retrievePending(first.request.requestId)
    const renew = { ...(await first.enrollment.acceptResponse(await renewal.getFullResponse())), keepKey: true }
    const enrollment = new Enrollment({ trust: server.root })
    const bytes = await enrollment.createRequest({ type: 'cmc', ...named('Archiving'), renew })
    await during(
      server,
      { table: 'response', on: 'INSERT' },
      async () => void (await renewal.submit(bytes, { wait: 0 }))
    )
    const { requestId } = renewal
    await server.sql(`UPDATE certkeep.certificate SET state = 'abandoned' WHERE request_id = $1`, [requestId])
    await server.sql(
      `UPDATE certkeep.request SET state = 'failed', resolved_at = now(), failure_code = 'internal',
         failure_message = 'Its signer was broken.' WHERE id = $1`,
      [requestId]
    )
    await offerVariant(server, 'UserEncryption', {
      name: 'Archiving',
      oid: before.oid,
      majorVersion: before.majorVersion + 1,
      privateKeyFlags: privateKeyFlags | PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL
    })
    await using admin = server.operate(await server.addOperator('administrator'))
    await admin.queue.resubmit(requestId)
    expect(await renewal.retrievePending(requestId, { wait: 20 })).toBe(2)
    expect(renewal.status).toMatchObject({ statusSymbol: 'CERTSRV_E_TEMPLATE_CONFLICT' })
    const next = await submitAs(server, user, named('UserSignature'))
    expect(next.request.isIssued).toBe(true)
  })

  it('is issued when it failed after its key was sealed and is taken up again, and holds up nobody', async () => {
    await using client = server.connect(user)
    const privateKeyArchiveCertificate = await client.getCACertificate({ exchange: true })
    const archival = { privateKeyArchiveCertificate, key: { algorithm: 'rsa-2048' } } as const
    const first = await submitAs(server, user, named('SameArchivedKey'), archival)
    await client.retrievePending(first.request.requestId)
    const renew = { ...(await first.enrollment.acceptResponse(await client.getFullResponse())), keepKey: true }
    const enrollment = new Enrollment({ trust: server.root })
    const bytes = await enrollment.createRequest({ type: 'cmc', ...named('SameArchivedKey'), renew })
    await using renewal = server.connect(user)
    await during(server, { table: 'certificate', on: 'INSERT' }, async () => {
      await renewal.submit(bytes, { wait: 0 })
      const state = () => server.sql('SELECT state FROM certkeep.request WHERE id = $1', [renewal.requestId])
      await expect.poll(state, { timeout: 20_000 }).toEqual([{ state: 'sealed' }])
      await server.sql(
        `UPDATE certkeep.request SET state = 'failed', resolved_at = now(), failure_code = 'internal',
           failure_message = 'Its signer was broken.' WHERE id = $1`,
        [renewal.requestId]
      )
    })
    await using admin = server.operate(await server.addOperator('administrator'))
    await admin.queue.resubmit(renewal.requestId)
    expect(await renewal.retrievePending(renewal.requestId, { wait: 20 })).toBe(3)
    const next = await submitAs(server, user, named('UserEncryption'), archival)
    expect(next.request.isIssued).toBe(true)
  })
})

describe('a renewal that brings a key to archive', () => {
  it('is sealed like a new one', async () => {
    await using client = server.connect(user)
    const archival = {
      privateKeyArchiveCertificate: await client.getCACertificate({ exchange: true }),
      key: { algorithm: 'rsa-2048' }
    } as const
    const first = await submitAs(server, user, named('UserEncryption'), archival)
    await client.retrievePending(first.request.requestId)
    const renew = await first.enrollment.acceptResponse(await client.getFullResponse())
    const { request, enrollment } = await submitAs(server, user, { ...named('UserEncryption'), renew }, archival)
    expect(request.status).toMatchObject({ dispositionName: 'issued', archivedKey: true })
    await client.retrievePending(request.requestId)
    await enrollment.acceptResponse(await client.getFullResponse())
    expect((await sealedKeyOf(server, request.requestId)).bits).toBe(2048)
  })
})

describe('a renewal of what an officer approved', () => {
  it('waits for nobody, and a new request does', async () => {
    const enrollmentFlags = PEND_ALL_REQUESTS | PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT
    await offerVariant(server, 'UserSignature', { name: 'Approved', enrollmentFlags })
    const renew = await identityOf(server, user, named('Approved'))
    const renewal = await submitAs(server, user, { ...named('Approved'), renew })
    expect(renewal.request.status).toMatchObject({ dispositionName: 'issued' })
    const fresh = await submitAs(server, user, named('Approved'))
    expect(fresh.request.status).toMatchObject({ dispositionName: 'under_submission' })
  })

  it('has the names of the old certificate where the template takes them from there', async () => {
    const { ENROLLEE_SUPPLIES_SUBJECT, OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME } = SUBJECT_NAME_FLAG
    await offerVariant(server, 'UserSignature', {
      name: 'OldNames',
      enrollmentFlags: PEND_ALL_REQUESTS | PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT,
      subjectNameFlags: ENROLLEE_SUPPLIES_SUBJECT | OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME
    })
    const wish = { subject: 'CN=Lab 7', subjectAltNames: ['email:lab@example.org'] }
    const renew = await identityOf(server, user, { ...named('OldNames'), ...wish })
    const renewed = await identityOf(server, user, { ...named('OldNames'), renew, subject: 'CN=Director' })
    const [before, after] = [renew, renewed].map(({ certificate }) => decodeCertificate(certificate))
    expect(after && formatName(after.subject)).toBe('CN=Lab 7')
    const altName = (of: typeof after) => of && findExtension(of, OID.id_ce_subjectAltName)?.value
    expect(altName(after)).toEqual(altName(before))
  })
})

describe('a key-based renewal', () => {
  const path = () => `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`
  const robo = 0x200000
  let renew: SigningIdentity

  beforeAll(async () => {
    renew = await identityOf(server, user, named('KeyBased'))
  })

  async function renewal(options: Parameters<typeof submitAs>[2] = {}) {
    const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
    const bytes = await enrollment.createRequest({ type: 'cmc', ...named('KeyBased'), renew, ...options })
    return { enrollment, bytes }
  }

  const json = (bytes: Uint8Array, flags = robo) => ({
    method: 'POST' as const,
    path: path(),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ request: Buffer.from(bytes).toString('base64'), flags })
  })

  it.each(['cmc', 'pkcs7'] as const)('needs no credential to be submitted as %s', async type => {
    const call = createCaller(server)
    const { bytes } = await renewal({ type })
    const answer = await call(json(bytes))
    expect(answer.json()).toMatchObject({ dispositionName: 'issued', template: 'KeyBased' })
    // What came of it is told to whom it concerns.
    await using own = server.connect(user)
    expect(await own.retrievePending(Number(answer.json()['requestId']))).toBe(3)
    await call.close()
  })

  it('is answered with its certificate over CMC', async () => {
    const call = createCaller(server)
    const { enrollment, bytes } = await renewal()
    const answer = await call({
      method: 'POST',
      path: `/cmc/${encodeURIComponent(server.ca.name)}`,
      headers: { 'content-type': 'application/pkcs7-mime; smime-type=CMC-Request' },
      body: bytes
    })
    expect(answer.status).toBe(200)
    expect(findIssuedCertificate(decodeFullResponse(answer.body))).toBeDefined()
    expect(await enrollment.acceptResponse(answer.body)).toBeDefined()
    await call.close()
  })

  it('is one call of the SDK, without a credential', async () => {
    await using nobody = new CertRequest({ url: server.url, trust: server.root, ca: server.ca.name })
    const { enrollment, bytes } = await renewal()
    const response = await nobody.exchange(bytes)
    expect(Buffer.from(await nobody.exchange(bytes))).toEqual(Buffer.from(response))
    const { certificate } = await enrollment.acceptResponse(response)
    expect(formatName(decodeCertificate(certificate).subject)).toBe(`CN=${user.row.displayName ?? ''}`)
    await expect(nobody.getAuthority()).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is what `certkeep enroll --renew` makes for who has no token', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'certkeep-renewal-'))
    vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'none.json'))
    try {
      writeFileSync(join(directory, 'root.pem'), server.root)
      await installPem({ ...renew, chain: [] }, join(directory, 'old'))
      await enroll(
        {
          url: server.url,
          ca: server.ca.name,
          trust: join(directory, 'root.pem'),
          renew: join(directory, 'old'),
          out: join(directory, 'new'),
          san: [],
          attribute: [],
          key: 'p-256',
          form: 'cmc',
          wait: 20,
          output: 'table'
        },
        { say: () => undefined, progress: () => undefined }
      )
      const [before, after] = ['old', 'new'].map(
        name => new X509Certificate(readFileSync(join(directory, name, 'certificate.pem')))
      )
      expect(after?.subject).toBe(before?.subject)
      expect(after?.serialNumber).not.toBe(before?.serialNumber)
    } finally {
      vi.unstubAllEnvs()
      rmSync(directory, { recursive: true })
    }
  })

  it.each<[string, () => Promise<Uint8Array>, number]>([
    ['without the flag', async () => (await renewal()).bytes, 0],
    [
      'by a template that does not take it',
      async () => (await renewal({ ...named('UserSignature'), renew: old })).bytes,
      robo
    ],
    [
      'that is no renewal',
      () =>
        new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } }).createRequest({
          type: 'cmc',
          ...named('KeyBased')
        }),
      robo
    ],
    [
      'signed with another key than the old one',
      async () => (await renewal({ renew: { ...renew, privateKey: old.privateKey } })).bytes,
      robo
    ],
    ['that is broken', () => Promise.resolve(randomBytes(40)), robo]
  ])('%s is nobody’s', async (_what, build, flags) => {
    const call = createCaller(server)
    expect((await call(json(await build(), flags))).status).toBe(401)
    await call.close()
  })

  it('opens nothing else', async () => {
    const call = createCaller(server)
    const { bytes } = await renewal()
    const { requestId } = (await call(json(bytes))).json<{ readonly requestId: number }>()
    for (const closed of [`${path()}/${requestId}`, `${path()}/${requestId}/full-response`, '/api/v1/cas']) {
      expect((await call({ path: closed })).status).toBe(401)
    }
    await call.close()
  })

  it('does not help a credential that was presented and is not valid', async () => {
    const call = createCaller(server)
    const { bytes } = await renewal()
    expect((await call({ ...json(bytes), token: 'ckt_nobody_knows_this_token_here' })).status).toBe(401)
    await call.close()
  })

  it('is not for a disabled account', async () => {
    const gone = await server.addPrincipal()
    const identity = await identityOf(server, gone, named('KeyBased'))
    await server.sql('UPDATE certkeep.principal SET disabled_at = now() WHERE id = $1', [gone.row.id])
    const call = createCaller(server)
    expect((await call(json((await renewal({ renew: identity })).bytes))).status).toBe(401)
    await call.close()
  })
})

it('a client that holds its own certificate renews it over mutual TLS', async () => {
  const { encodePem } = await import('@app/der')
  const identity = {
    certificate: encodePem('CERTIFICATE', old.certificate),
    privateKey: String(old.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  }
  await using request = new CertRequest({
    url: server.url,
    trust: server.root,
    ca: server.ca.name,
    credentials: identity
  })
  const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
  const disposition = await request.submit(
    await enrollment.createRequest({ type: 'cmc', ...named('UserSignature'), renew: old })
  )
  expect(disposition).toBe(3)
})
