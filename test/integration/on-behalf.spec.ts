import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Enrollment, type RequestOptions, type SigningIdentity } from '@app/client'
import { decodeStoredRequest } from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { OID } from '@app/oid'
import { RequestStore } from '@app/storage'
import { ENROLLMENT_FLAG } from '@app/templates'
import { decodeCertificate, decodeSubjectAltName, findExtension, formatName } from '@app/x509'
import {
  AGENT_TEMPLATE,
  allowAgent,
  identityOf,
  offerAgentTemplate,
  offerVariant,
  submitAs
} from '../helpers/endorsed-requests.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { requestRowOf } from '../helpers/submission.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let agent: TestPrincipal
let target: TestPrincipal
let stranger: TestPrincipal
let identity: SigningIdentity
const named = (name: string) => ({ template: { name } })
const account = () => `EXAMPLE\\${target.row.accountName}`

beforeAll(async () => {
  server = await startTestServer()
  agent = await server.addPrincipal({ groupNames: ['Domain Users', 'Agents'] })
  target = await server.addPrincipal({ displayName: 'Target' })
  stranger = await server.addPrincipal()
  await offerAgentTemplate(server)
  await offerVariant(server, 'UserSignature', {
    name: 'ForOthers',
    enrollmentFlags: ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF,
    raSignatures: 1,
    raApplicationPolicies: [OID.szOID_ENROLLMENT_AGENT]
  })
  identity = await identityOf(server, agent, named(AGENT_TEMPLATE))
})

afterAll(() => server.stop())

/** What a submission fills, of a request that is sound as far as the row says. */
function rowOf(rawRequest: Uint8Array) {
  return {
    state: 'received',
    format: 'cmc',
    dialect: 'microsoft',
    rawRequest,
    requestDigest: hash('sha256', rawRequest, 'buffer'),
    requestAttributes: '',
    flags: 0,
    rowFlags: 0x10,
    subject: null,
    templateName: null,
    carriesKey: false,
    keyHashAlgorithm: null,
    keyHash: null,
    proofDigest: 'sha256',
    bodyPartId: 1,
    transactionId: null,
    senderNonce: null,
    idempotencyKey: null,
    submittedAt: new Date(),
    failureCode: null,
    failureMessage: null,
    dispositionMessage: 'Taken Under Submission'
  } as const
}

const wish = (changes: Partial<RequestOptions> = {}): Partial<RequestOptions> => ({
  ...named('ForOthers'),
  onBehalfOf: { account: account(), agent: identity },
  ...changes
})

describe('an enrollment agent', () => {
  it('may enroll nobody before it is let', async () => {
    const { request } = await submitAs(server, agent, wish())
    expect(request.status).toMatchObject({ dispositionName: 'denied', statusSymbol: 'CERTSRV_E_RESTRICTEDOFFICER' })
  })

  describe('that is let', () => {
    beforeAll(() => allowAgent(server, agent, 'ForOthers'))

    it.each(['cmc', 'pkcs7', 'crmf'] as const)(
      'gets a certificate with the names of the account, as %s',
      async type => {
        const { request, enrollment } = await submitAs(server, agent, wish({ type }))
        expect(request.status).toMatchObject({ dispositionName: 'issued' })
        const row = await requestRowOf(server, request.requestId)
        expect(row).toMatchObject({ requesterId: target.row.id, callerId: agent.row.id, requesterName: account() })
        expect(row.rowFlags & 0x10).toBe(0x10)
        // Both may retrieve it, and nobody else.
        for (const principal of [agent, target]) {
          await using own = server.connect(principal)
          expect(await own.retrievePending(request.requestId)).toBe(3)
        }
        await using foreign = server.connect(stranger)
        await expect(foreign.retrievePending(request.requestId)).rejects.toMatchObject({ code: 'not_found' })
        await using own = server.connect(agent)
        await own.retrievePending(request.requestId)
        const certificate = decodeCertificate(
          (await enrollment.acceptResponse(await own.getFullResponse())).certificate
        )
        expect(formatName(certificate.subject)).toBe('CN=Target')
        const altNames = decodeSubjectAltName(
          findExtension(certificate, OID.id_ce_subjectAltName)?.value ?? Buffer.of()
        )
        expect(altNames).toContainEqual({ kind: 'rfc822Name', value: target.row.mail })
      }
    )

    it('does it in its own name: the log has it as the actor', async () => {
      const { request } = await submitAs(server, agent, wish())
      const events = await server.sql<{ readonly actor: string; readonly account: string }>(
        `SELECT actor, detail->>'onBehalfOf' AS account FROM certkeep.audit_event
         WHERE action = 'request.submitted' AND object_id = $1`,
        [String(request.requestId)]
      )
      expect(events).toEqual([{ actor: `EXAMPLE\\${agent.row.accountName}`, account: account() }])
    })

    it('may take back what waits for an officer, as the account may, and nobody else', async () => {
      const pending = await offerVariant(server, 'UserSignature', {
        name: 'ForOthersLater',
        enrollmentFlags: ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF | ENROLLMENT_FLAG.PEND_ALL_REQUESTS
      })
      await allowAgent(server, agent, pending.name)
      for (const principal of [agent, target]) {
        const { request } = await submitAs(server, agent, wish(named(pending.name)))
        expect(request.status).toMatchObject({ dispositionName: 'under_submission' })
        await using foreign = server.connect(stranger)
        await expect(foreign.withdraw(request.requestId)).rejects.toMatchObject({ code: 'not_found' })
        await using own = server.connect(principal)
        await own.withdraw(request.requestId)
        expect(await own.retrievePending(request.requestId, { wait: 10 })).toBe(2)
      }
    })

    it.each<[string, () => Partial<RequestOptions>, () => TestPrincipal, string]>([
      ['for another template', () => wish(named('UserSignature')), () => agent, 'CERTSRV_E_RESTRICTEDOFFICER'],
      ['when another submits what it signed', () => wish(), () => stranger, 'CERTSRV_E_RESTRICTEDOFFICER'],
      [
        'for itself',
        () => wish({ onBehalfOf: { account: `EXAMPLE\\${agent.row.accountName}`, agent: identity } }),
        () => agent,
        'CERTSRV_E_RESTRICTEDOFFICER'
      ],
      [
        'for an account that nobody knows',
        () => wish({ onBehalfOf: { account: 'EXAMPLE\\nobody', agent: identity } }),
        () => agent,
        'CRYPT_E_NOT_FOUND'
      ],
      [
        'for the system account',
        () => wish({ onBehalfOf: { account: 'CERTKEEP\\SYSTEM', agent: identity } }),
        () => agent,
        'CRYPT_E_NOT_FOUND'
      ],
      [
        'for a group',
        () => wish({ onBehalfOf: { account: 'CERTKEEP\\Domain Users', agent: identity } }),
        () => agent,
        'CRYPT_E_NOT_FOUND'
      ],
      [
        'for an account without its domain',
        () => wish({ onBehalfOf: { account: target.row.accountName, agent: identity } }),
        () => agent,
        'CRYPT_E_NOT_FOUND'
      ]
    ])('gets nothing %s', async (_what, options, by, symbol) => {
      const { request } = await submitAs(server, by(), options())
      expect(request.status).toMatchObject({ statusSymbol: symbol })
      expect(request.isIssued).toBe(false)
    })

    it('needs the certificate of an enrollment agent', async () => {
      const plain = await identityOf(server, agent, named('UserSignature'))
      const { request } = await submitAs(server, agent, wish({ onBehalfOf: { account: account(), agent: plain } }))
      expect(request.status).toMatchObject({ dispositionName: 'error', statusSymbol: 'CERT_E_WRONG_USAGE' })
    })

    it('needs one that is not revoked', async () => {
      const { request, enrollment } = await submitAs(server, agent, named(AGENT_TEMPLATE))
      const { decidePending } = await import('../helpers/decisions.js')
      await decidePending(server, request.requestId, 'approved')
      await using own = server.connect(agent)
      await own.retrievePending(request.requestId, { wait: 20 })
      const revoked = await enrollment.acceptResponse(await own.getFullResponse())
      await revokeCertificateOf(server, request.requestId)
      const outcome = await submitAs(server, agent, wish({ onBehalfOf: { account: account(), agent: revoked } }))
      expect(outcome.request.status).toMatchObject({ statusSymbol: 'CRYPT_E_REVOKED' })
    })
  })

  it('must be named within what it signs: the attribute beside the request is refused', async () => {
    const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
    const bytes = await enrollment.createRequest({ type: 'cmc', ...named('UserSignature') })
    await using request = server.connect(agent)
    await request.submit(bytes, { attributes: `RequesterName:${account()}` })
    expect(request.status).toMatchObject({ dispositionName: 'error', statusSymbol: 'E_INVALIDARG' })
  })

  it('is not made up by the role that takes requests: the authority verifies what is signed', async () => {
    const front = new RequestStore((await server.database.open('front')).dataSource)
    const caller = { callerId: agent.row.id, callerName: `EXAMPLE\\${agent.row.accountName}` }
    const nobody = { callerId: null, callerName: null }
    const build = (options: Partial<RequestOptions>) =>
      new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } }).createRequest({ type: 'cmc', ...options })
    const told = async (bytes: Uint8Array, by: typeof caller | typeof nobody): Promise<string | null> => {
      const read = decodeStoredRequest(bytes)
      const { id } = await front.submit(
        {
          ...rowOf(bytes),
          ...by,
          caId: server.ca.id,
          requesterId: target.row.id,
          requesterName: account(),
          publicKey: read.publicKey.raw,
          keyId: read.publicKey.keyId
        },
        undefined,
        { actor: 'test' }
      )
      server.running.runtime.wakeups.nudge('evaluate')
      await using own = server.connect(target)
      await own.retrievePending(id, { wait: 20 })
      return (await requestRowOf(server, id)).failureCode
    }
    const attributes = [{ name: 'RequesterName', value: account() }]
    expect(await told(await build({ ...named('ForOthers'), attributes }), caller)).toBe('signature_policy_required')
    const sound = await build(wish())
    expect(await told(sound, nobody)).toBe('agent_restricted')
    const forged = Buffer.from(await build(wish()))
    const byAgent = decodeSignedData(forged).signerInfos.find(({ sid }) => sid.kind === 'issuerAndSerial')
    const signature = byAgent?.signature ?? Buffer.of()
    const last = forged.indexOf(signature) + signature.length - 1
    forged[last] = (forged[last] ?? 0) ^ 1
    expect(await told(forged, caller)).toBe('cms_signature_invalid')
  })

  it('is nobody when only the requested key signs the name', async () => {
    const { request } = await submitAs(server, agent, {
      ...named('ForOthers'),
      attributes: [{ name: 'RequesterName', value: account() }]
    })
    expect(request.status).toMatchObject({
      dispositionName: 'error',
      statusSymbol: 'CERTSRV_E_SIGNATURE_POLICY_REQUIRED'
    })
  })
})
