import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CertRequest, Enrollment, type SigningIdentity } from '@app/client'
import {
  buildPkcs7Request,
  CR_IN,
  encodeTaggedAttribute,
  findHresultSymbol,
  HRESULTS,
  hresultOf,
  type HresultSymbol
} from '@app/cmc'
import { ERROR_CODES, isAppError, type ErrorCode } from '@app/core'
import { encodeContext, encodeInteger, encodeNull, encodeSequence, encodeSetOf } from '@app/der'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeRegistrationRequest } from '@app/registration'
import { certificateNames } from '@app/policy'
import { AgentStore } from '@app/storage'
import { builtInTemplates, ENROLLMENT_FLAG, PRIVATE_KEY_FLAG, SUBJECT_NAME_FLAG } from '@app/templates'
import { decodeCertificate, type Certificate } from '@app/x509'
import { cmcRequest, wrapKey, type CmcParts } from '../helpers/archival-requests.js'
import {
  archivedKeyAttribute,
  exchangeIdentity,
  forgeCmc,
  sampleCertificationRequest,
  type CmcForgery
} from '../helpers/cmc-messages.js'
import {
  contentTypeAttribute,
  digestOf,
  makeIdentity,
  messageDigestAttribute,
  replaceElement
} from '../helpers/cms-messages.js'
import { decidePending, revokeCertificateOf } from '../helpers/decisions.js'
import { AGENT_TEMPLATE, identityOf, offerAgentTemplate, offerVariant, submitAs } from '../helpers/endorsed-requests.js'
import { sampleRsaKey } from '../helpers/escrow-samples.js'
import { createCaller, type HttpCall, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { submitBytes } from '../helpers/submission.js'
import { startTestServer, type TestCa, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { sampleKey } from '../helpers/x509-samples.js'

let server: TestServer
/** It takes one call a minute of each account, and outlives its CA. */
let narrow: TestServer
let otherCa: TestCa
let user: TestPrincipal
let registrar: TestPrincipal
let computer: TestPrincipal
let byRegistrar: SigningIdentity
let call: HttpCaller
const named = (name: string) => ({ template: { name } })

beforeAll(async () => {
  server = await startTestServer()
  narrow = await startTestServer({ settings: { limits: { requestsPerMinute: 1 } } })
  otherCa = await server.addCa('Other CA')
  user = await server.addPrincipal()
  registrar = await server.addPrincipal()
  computer = await server.addPrincipal({ kind: 'computer' })
  byRegistrar = await identityOf(server, registrar, named('UserSignature'))
  call = createCaller(server)
})

afterAll(async () => {
  await call.close()
  await Promise.all([server.stop(), narrow.stop()])
})

/** The status of a request that somebody submits. */
async function status(bytes: Uint8Array | Promise<Uint8Array>, by = user): Promise<string> {
  return (await submitBytes(server, by, await bytes)).statusSymbol
}

/** The HRESULT in the problem that a call is answered with. */
async function problem(of: HttpCall, caller = call): Promise<string | undefined> {
  return findHresultSymbol(Number((await caller(of)).json<ToldProblem>().hresult))
}

const requests = () => `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`

async function exchangeOf(ca: TestCa): Promise<Certificate> {
  await using client = server.connect(user, ca.name)
  return decodeCertificate(await client.getCACertificate({ exchange: true }))
}

/** A request that brings its key to a CA; changed as told. */
async function archival(parts: Partial<CmcParts> = {}, ca = server.ca, wrapped = sampleRsaKey(0)): Promise<Uint8Array> {
  const envelope = wrapKey(wrapped, 'microsoft', await exchangeOf(ca))
  const sound = { dialect: 'microsoft', privateKey: sampleRsaKey(0), template: 'UserEncryption' } as const
  return cmcRequest({ ...sound, envelope, ...parts })
}

async function statusAt(ca: TestCa, bytes: Uint8Array): Promise<string> {
  await using client = server.connect(user, ca.name)
  await client.submit(bytes)
  return client.status.statusSymbol
}

/** A request by a template that demands what the changes say, signed by the registrar or by those named. */
async function endorsed(
  name: string,
  changes: Omit<Parameters<typeof offerVariant>[2], 'name'>,
  signers: readonly SigningIdentity[] = [byRegistrar]
): Promise<string> {
  await offerVariant(server, 'UserSignature', { name, ...changes })
  const request = await pkcs10Request({ template: name })
  if (signers.length === 0) return status(request)
  return status(buildPkcs7Request({ request, signers: signers.map(cosignerOf) }))
}

function cosignerOf({ certificate, privateKey }: SigningIdentity) {
  const signer = signerOf(privateKey)
  return { certificate, scheme: signer.scheme, sign: (data: Uint8Array) => signer.sign(data) }
}

async function renewing(
  name: string,
  changes: Omit<Parameters<typeof offerVariant>[2], 'name'>,
  wish: object = {},
  before: () => void = () => undefined
): Promise<string> {
  await offerVariant(server, 'UserSignature', { name, ...changes })
  const renew = await identityOf(server, user, { ...named(name), subject: 'CN=Lab' })
  before()
  try {
    return (await submitAs(server, user, { ...named(name), renew, ...wish })).request.status.statusSymbol
  } finally {
    vi.useRealTimers()
  }
}

/** The code that a pure function throws. */
function thrown(run: () => unknown): ErrorCode {
  try {
    run()
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
  throw new Error('Nothing was thrown.')
}

/** What makes a server, or where it says so a client, tell an HRESULT; or why nothing does. */
type Cause =
  | { readonly told: () => Promise<string | undefined> }
  | { readonly atClient: () => Promise<unknown> }
  | { readonly pure: () => ErrorCode; readonly why: string }
  | { readonly never: string; readonly codes?: readonly ErrorCode[] }

/** A code of messages, which no enrollment can cause. */
const ofMessages = (code: ErrorCode): Cause => ({ never: 'A message or its context causes it.', codes: [code] })
const ofCalls = (code: ErrorCode): Cause => ({ never: 'A queued call or its server causes it.', codes: [code] })

/** A code of the directory, which no enrollment can cause; each is caused by a registration of its own tests. */
const ofDirectory = (code: ErrorCode): Cause => ({ never: 'A registration in the directory causes it.', codes: [code] })

const CAUSES: Readonly<Record<Exclude<HresultSymbol, 'S_OK'>, Cause>> = {
  CERTSRV_E_BAD_REQUESTSUBJECT: { told: () => status(pkcs10Request({ template: 'WebServer', subject: '' }), computer) },
  CERTSRV_E_NO_REQUEST: { never: 'An unknown request id is told as CERTSRV_E_PROPERTY_EMPTY (MS-WCCE 3.2.1.4.2.1.3).' },
  CERTSRV_E_BAD_REQUESTSTATUS: {
    told: async () => {
      const { requestId } = await submitBytes(server, user, await pkcs10Request({ template: 'UserSignature' }))
      return problem({ method: 'DELETE', path: `${requests()}/${requestId}`, token: user.token })
    }
  },
  CERTSRV_E_PROPERTY_EMPTY: { told: () => problem({ path: `${requests()}/2000000000`, token: user.token }) },
  CERTSRV_E_INVALID_CA_CERTIFICATE: {
    told: async () => {
      const late = await narrow.addPrincipal({}, { expiresAt: new Date('2100-01-01') })
      // The CA of a test lasts five years.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * 366 * 86_400_000 })
      try {
        return (await submitBytes(narrow, late, await pkcs10Request({ template: 'UserSignature' }))).statusSymbol
      } finally {
        vi.useRealTimers()
      }
    }
  },
  CERTSRV_E_SERVER_SUSPENDED: {
    told: async () => {
      const { token } = await narrow.addPrincipal()
      const caller = createCaller(narrow)
      try {
        await caller({ path: '/api/v1/cas', token })
        return await problem({ path: '/api/v1/cas', token }, caller)
      } finally {
        await caller.close()
      }
    }
  },
  CERTSRV_E_ENCODING_LENGTH: {
    told: async () =>
      status(pkcs10Request({ template: 'UserSignature' }), await server.addPrincipal({ displayName: 'x'.repeat(65) }))
  },
  CERTSRV_E_ROLECONFLICT: {
    told: async () => {
      const { row, token } = await server.addOperator('administrator')
      await server.sql(
        `INSERT INTO certkeep.role_assignment (id, principal_id, role, granted_by, granted_at)
         VALUES (gen_random_uuid(), $1, 'officer', 'test', now())`,
        [row.id]
      )
      return problem({ path: '/api/v1/operators', token })
    }
  },
  CERTSRV_E_RESTRICTEDOFFICER: {
    told: async () => {
      await offerAgentTemplate(server)
      const enrollmentFlags = ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF
      await offerVariant(server, 'UserSignature', { name: 'ForOthers', enrollmentFlags })
      const agent = await identityOf(server, registrar, named(AGENT_TEMPLATE))
      const onBehalfOf = { account: `EXAMPLE\\${user.row.accountName}`, agent }
      return (await submitAs(server, registrar, { ...named('ForOthers'), onBehalfOf })).request.status.statusSymbol
    }
  },
  CERTSRV_E_KEY_ARCHIVAL_NOT_CONFIGURED: { told: async () => statusAt(otherCa, await archival({}, otherCa)) },
  CERTSRV_E_NO_VALID_KRA: {
    told: async () => {
      const third = await server.addCa('Third CA')
      const agents = new AgentStore((await server.database.open('owner')).dataSource)
      const [first] = await agents.list(server.ca.id)
      if (first === undefined) throw new Error('The server has no recovery agent.')
      // One agent, where the template demands three.
      await agents.add({ ...first, caId: third.id }, { actor: 'test' })
      return statusAt(third, await archival({}, third))
    }
  },
  CERTSRV_E_BAD_REQUEST_KEY_ARCHIVAL: {
    told: () => status(sampleCertificationRequest(sampleKey('P-256'), [archivedKeyAttribute(encodeNull())]))
  },
  CERTSRV_E_NO_CAADMIN_DEFINED: { never: 'A CA without an administrator is run from the machine it is on.' },
  CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE: {
    told: async () => {
      const { request } = await submitAs(server, user, { ...named('UserSignature'), renew: byRegistrar })
      return request.status.statusSymbol
    }
  },
  CERTSRV_E_NO_DB_SESSIONS: { never: 'A database without a free session is told as CERTSRV_E_SERVER_SUSPENDED.' },
  CERTSRV_E_ALIGNMENT_FAULT: { never: 'A fault of the Windows database engine.' },
  CERTSRV_E_ENROLL_DENIED: {
    told: async () => {
      const closed = await server.addCa('Closed CA')
      await server.sql(`UPDATE certkeep.ca SET enroll_groups = '{"PKI Users"}' WHERE id = $1`, [closed.id])
      return statusAt(closed, await pkcs10Request({ template: 'UserSignature' }))
    }
  },
  CERTSRV_E_TEMPLATE_DENIED: { told: () => status(pkcs10Request({ template: 'Computer' })) },
  CERTSRV_E_DOWNLEVEL_DC_SSL_OR_UPGRADE: { never: 'There is no domain controller to speak to.' },
  CERTSRV_E_ADMIN_DENIED_REQUEST: {
    told: async () => {
      const { requestId } = await submitBytes(server, computer, await webServerRequest())
      await decidePending(server, requestId, 'denied')
      await using client = server.connect(computer)
      await client.retrievePending(requestId, { wait: 20 })
      return client.status.statusSymbol
    }
  },
  CERTSRV_E_UNSUPPORTED_CERT_TYPE: { told: () => status(pkcs10Request({ template: 'Smartcard' })) },
  CERTSRV_E_NO_CERT_TYPE: { told: () => status(pkcs10Request()) },
  CERTSRV_E_TEMPLATE_CONFLICT: {
    told: async () => {
      await using client = server.connect(user)
      await client.submit(await pkcs10Request({ template: 'UserSignature' }), {
        attributes: 'CertificateTemplate:User'
      })
      return client.status.statusSymbol
    }
  },
  CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED: {
    told: () => status(pkcs10Request({ template: 'WebServer', subject: 'CN=www.example.org' }), computer)
  },
  CERTSRV_E_ARCHIVED_KEY_REQUIRED: { told: () => status(pkcs10Request({ template: 'UserEncryption' })) },
  CERTSRV_E_SMIME_REQUIRED: { never: 'S/MIME capabilities come from the template, not from the request.' },
  CERTSRV_E_BAD_RENEWAL_SUBJECT: {
    told: () =>
      renewing(
        'OwnName',
        {
          enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS,
          subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT
        },
        { subject: 'CN=Other' }
      )
  },
  CERTSRV_E_BAD_TEMPLATE_VERSION: {
    told: async () => {
      const { oid = '' } = builtInTemplates().find(({ name }) => name === 'UserSignature') ?? {}
      const { request } = await submitAs(server, user, { template: { oid, major: 101, minor: 0 } })
      return request.status.statusSymbol
    }
  },
  CERTSRV_E_TEMPLATE_POLICY_REQUIRED: { never: 'A template names its policies or has none; the linter sees to it.' },
  CERTSRV_E_SIGNATURE_POLICY_REQUIRED: {
    told: () => endorsed('NoneSigned', { raSignatures: 1, raApplicationPolicies: [OID.id_kp_codeSigning] }, [])
  },
  CERTSRV_E_SIGNATURE_COUNT: {
    told: () => endorsed('TwoSign', { raSignatures: 2, raApplicationPolicies: [OID.id_kp_codeSigning] })
  },
  CERTSRV_E_SIGNATURE_REJECTED: {
    told: () => endorsed('CodeSigns', { raSignatures: 1, raApplicationPolicies: [OID.id_kp_codeSigning] })
  },
  CERTSRV_E_ISSUANCE_POLICY_REQUIRED: {
    told: () => endorsed('PolicySigns', { raSignatures: 1, raPolicies: ['2.25.7'] })
  },
  CERTSRV_E_SUBJECT_UPN_REQUIRED: {
    told: async () => status(pkcs10Request({ template: 'UserSignature' }), await server.addPrincipal({ upn: null }))
  },
  CERTSRV_E_SUBJECT_DIRECTORY_GUID_REQUIRED: {
    why: 'Every account of the directory has an identifier.',
    pure: () => {
      const template = builtInTemplates()[0]
      if (template === undefined) throw new Error('There is no template.')
      const subjectNameFlags = SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID
      const account = { id: 'x', kind: 'user', sid: 'S-1-5-21-1', accountName: 'x', domain: 'X', groups: [] } as const
      const nothing = { subject: undefined, extensions: [] }
      return thrown(() => certificateNames({ ...template, subjectNameFlags }, account, nothing))
    }
  },
  CERTSRV_E_SUBJECT_DNS_REQUIRED: {
    told: async () =>
      status(pkcs10Request({ template: 'Computer' }), await server.addPrincipal({ kind: 'computer', dnsName: null }))
  },
  CERTSRV_E_ARCHIVED_KEY_UNEXPECTED: { told: async () => status(archival({ template: 'UserSignature' })) },
  CERTSRV_E_KEY_LENGTH: {
    told: () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
      return status(pkcs10Request({ template: 'UserSignature', privateKey }))
    }
  },
  CERTSRV_E_SUBJECT_EMAIL_REQUIRED: {
    told: async () => status(pkcs10Request({ template: 'UserSignature' }), await server.addPrincipal({ mail: null }))
  },
  CERTSRV_E_UNKNOWN_CERT_TYPE: { never: 'An unknown template is told as CERTSRV_E_UNSUPPORTED_CERT_TYPE.' },
  CERTSRV_E_CERT_TYPE_OVERLAP: { never: 'A client’s matter: it renews within the overlap that the template states.' },
  CERTSRV_E_TOO_MANY_SIGNATURES: {
    told: async () => {
      const request = await pkcs10Request({ template: 'UserSignature' })
      const crowd = Array.from({ length: 9 }, (_, index) => makeIdentity({ serialNumber: 20 + index }))
      return status(
        buildPkcs7Request({
          request,
          signers: crowd.map(({ certificate, scheme, sign }) => ({ certificate: certificate.raw, scheme, sign }))
        })
      )
    }
  },
  CERTSRV_E_RENEWAL_BAD_PUBLIC_KEY: {
    told: () => renewing('SameKey', { privateKeyFlags: PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL })
  },
  CERTSRV_E_INVALID_EK: { never: 'Keys are not attested here.' },
  CERTSRV_E_KEY_ATTESTATION: { never: 'Keys are not attested here; a template that demands it is not used.' },

  CRYPT_E_INVALID_MSG_TYPE: {
    told: async () => {
      await using client = server.connect(user)
      await client.submit(await pkcs10Request({ template: 'UserSignature' }), { flags: CR_IN.CR_IN_CMC })
      return client.status.statusSymbol
    }
  },
  CRYPT_E_HASH_VALUE: {
    // The message has another digest than its signer says.
    told: () => status(forgeCmc(anotherDigest()))
  },
  CRYPT_E_RECIPIENT_NOT_FOUND: {
    told: async () =>
      status(archival({ envelope: wrapKey(sampleRsaKey(0), 'microsoft', exchangeIdentity().certificate) }))
  },
  CRYPT_E_BAD_ENCODE: {
    told: async () => status(Buffer.concat([await pkcs10Request({ template: 'UserSignature' }), Buffer.of(0)]))
  },
  CRYPT_E_NOT_FOUND: {
    told: async () => {
      const agent = await identityOf(server, registrar, named(AGENT_TEMPLATE))
      const onBehalfOf = { account: 'EXAMPLE\\nobody', agent }
      return (await submitAs(server, registrar, { ...named('ForOthers'), onBehalfOf })).request.status.statusSymbol
    }
  },
  CRYPT_E_NO_DECRYPT_CERT: {
    told: async () => {
      const fourth = await server.addCa('Fourth CA')
      const message = await archival({}, fourth)
      await server.sql(`UPDATE certkeep.exchange_key SET not_after = now() - interval '1 day' WHERE ca_id = $1`, [
        fourth.id
      ])
      return statusAt(fourth, message)
    }
  },
  CRYPT_E_NO_SIGNER: {
    told: async () => {
      const request = await pkcs10Request({ template: 'UserSignature' })
      const { certificate, scheme, sign } = makeIdentity()
      const signed = await buildPkcs7Request({ request, signers: [{ certificate: certificate.raw, scheme, sign }] })
      return status(withoutSigners(signed))
    }
  },
  CRYPT_E_REVOKED: {
    told: async () => {
      const { request, enrollment } = await submitAs(server, user, named('UserSignature'))
      await using client = server.connect(user)
      await client.retrievePending(request.requestId)
      const renew = await enrollment.acceptResponse(await client.getFullResponse())
      await revokeCertificateOf(server, request.requestId)
      return (await submitAs(server, user, { ...named('UserSignature'), renew })).request.status.statusSymbol
    }
  },
  CRYPT_E_NO_REVOCATION_CHECK: { never: 'The status of a certificate is looked up where it is kept.' },
  CRYPT_E_REVOCATION_OFFLINE: {
    never: 'Clients of registration tell it, of the certificate of a management point.',
    codes: ['revocation_offline']
  },

  NTE_BAD_KEY: { told: () => status(archival({}, server.ca, sampleRsaKey(1))) },
  NTE_BAD_DATA: {
    never:
      'A key that cannot be decrypted is told like one that does not match, NTE_BAD_KEY, or it would be an oracle.',
    // Who recovers a key is told of a share that is damaged, on its own machine.
    codes: ['cms_decrypt_failed', 'recovery_share_invalid']
  },
  NTE_BAD_SIGNATURE: {
    told: async () => {
      const request = Buffer.from(await pkcs10Request({ template: 'UserSignature' }))
      request[request.length - 1] = (request.at(-1) ?? 0) ^ 1
      return status(request)
    }
  },
  NTE_PERM: {
    told: async () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const request = await pkcs10Request({ template: 'UserSignature', privateKey })
      await status(request, registrar)
      return status(pkcs10Request({ template: 'UserSignature', privateKey, subject: 'CN=Another' }))
    }
  },
  NTE_BAD_PUBLIC_KEY: {
    told: () => {
      const { privateKey } = generateKeyPairSync('ed25519')
      return status(pkcs10Request({ template: 'Computer', privateKey }), computer)
    }
  },
  NTE_FAIL: {
    told: async () => {
      await server.sql(`ALTER TABLE certkeep.request ADD CONSTRAINT defect CHECK (request_attributes <> 'Defect:1')`)
      const body = JSON.stringify({
        request: Buffer.from(await pkcs10Request({ template: 'UserSignature' })).toString('base64'),
        attributes: 'Defect:1'
      })
      const headers = { 'content-type': 'application/json' }
      return problem({ method: 'POST', path: requests(), token: user.token, headers, body })
    }
  },
  NTE_INVALID_PARAMETER: { never: 'A Windows key provider’s word.' },
  NTE_NOT_SUPPORTED: {
    told: () => status(forgeCmc({ controls: [encodeTaggedAttribute(2, '1.2.3', encodeNull())] }))
  },

  ERROR_FILE_NOT_FOUND: { never: 'A Windows file system’s word.' },
  E_ACCESSDENIED: { told: () => problem({ path: '/api/v1/cas' }) },
  ERROR_INVALID_DATA: {
    told: async () => {
      const one = await sampleCertificationRequest(sampleKey('P-256'))
      const both = [1, 2].map(id => encodeContext(0, encodeInteger(id), one))
      return status(forgeCmc({ requestSequence: encodeSequence(...both) }))
    }
  },
  E_INVALIDARG: {
    told: async () => {
      await using client = server.connect(user)
      await client.submit(await pkcs10Request({ template: 'UserSignature' }), {
        attributes: 'RequesterName:EXAMPLE\\x'
      })
      return client.status.statusSymbol
    }
  },
  SMS_ERR_INVALID_SCHEMA: {
    pure: () => thrown(() => decodeRegistrationRequest('<ClientRegistrationRequest/>')),
    why: 'The server tells it where client registration is on.'
  },
  SMS_ERR_NO_REPLY: {
    never: 'The server tells it where client registration is on and the database does not answer.',
    codes: ['registration_retry', 'reply_missing']
  },
  RPC_S_SERVER_UNAVAILABLE: {
    atClient: async () => {
      const settings = { url: 'https://127.0.0.1:1', trust: server.root, ca: server.ca.name }
      await using nobody = new CertRequest({ ...settings, credentials: { token: user.token } })
      return await nobody.getCACertificate()
    }
  },

  MQ_INFORMATION_PROPERTY: { never: 'It is no error: a receiver that asked for what only a sender sets.' },
  MQ_INFORMATION_PROPERTY_IGNORED: { never: 'The same, of one property.' },
  MQ_INFORMATION_INTERNAL_USER_CERT_EXIST: { never: 'It is no error: a registration that had nothing to do.' },
  MQ_ERROR_INVALID_PARAMETER: ofDirectory('MQ_ERROR_INVALID_PARAMETER'),
  MQ_ERROR_ILLEGAL_USER: ofDirectory('MQ_ERROR_ILLEGAL_USER'),
  MQ_ERROR_NO_DS: ofDirectory('MQ_ERROR_NO_DS'),
  MQ_ERROR_INTERNAL_USER_CERT_EXIST: ofDirectory('MQ_ERROR_INTERNAL_USER_CERT_EXIST'),
  MQ_ERROR_DS_IS_FULL: ofDirectory('MQ_ERROR_DS_IS_FULL'),
  MQ_ERROR_DS_ERROR: ofDirectory('MQ_ERROR_DS_ERROR'),
  MQ_ERROR_UNSUPPORTED_OPERATION: ofDirectory('MQ_ERROR_UNSUPPORTED_OPERATION'),
  MQ_ERROR_CANNOT_CREATE_CERT_STORE: ofDirectory('MQ_ERROR_CANNOT_CREATE_CERT_STORE'),
  MQ_ERROR_CANNOT_OPEN_CERT_STORE: ofDirectory('MQ_ERROR_CANNOT_OPEN_CERT_STORE'),
  MQ_ERROR_INVALID_CERTIFICATE: ofMessages('MQ_ERROR_INVALID_CERTIFICATE'),
  MQ_ERROR_CORRUPTED_SECURITY_DATA: ofMessages('MQ_ERROR_CORRUPTED_SECURITY_DATA'),
  MQ_ERROR_PUBLIC_KEY_NOT_FOUND: ofMessages('MQ_ERROR_PUBLIC_KEY_NOT_FOUND'),
  MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX: ofMessages('MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX'),
  MQ_ERROR_QUEUE_NOT_FOUND: ofMessages('MQ_ERROR_QUEUE_NOT_FOUND'),
  MQ_ERROR_QUEUE_EXISTS: ofMessages('MQ_ERROR_QUEUE_EXISTS'),
  MQ_ERROR_ACCESS_DENIED: ofMessages('MQ_ERROR_ACCESS_DENIED'),
  MQ_ERROR_INSUFFICIENT_RESOURCES: ofMessages('MQ_ERROR_INSUFFICIENT_RESOURCES'),
  MQ_ERROR_COULD_NOT_GET_USER_SID: ofMessages('MQ_ERROR_COULD_NOT_GET_USER_SID'),
  MQ_ERROR_MISSING_CONNECTOR_TYPE: ofMessages('MQ_ERROR_MISSING_CONNECTOR_TYPE'),
  MQ_ERROR_NO_INTERNAL_USER_CERT: ofMessages('MQ_ERROR_NO_INTERNAL_USER_CERT'),
  MQ_ERROR_BAD_SECURITY_CONTEXT: ofMessages('MQ_ERROR_BAD_SECURITY_CONTEXT'),
  MQ_ERROR_CERTIFICATE_NOT_PROVIDED: ofMessages('MQ_ERROR_CERTIFICATE_NOT_PROVIDED'),
  MQ_ERROR_CANNOT_IMPERSONATE_CLIENT: ofMessages('MQ_ERROR_CANNOT_IMPERSONATE_CLIENT'),
  RPC_S_WRONG_KIND_OF_BINDING: ofCalls('RPC_S_WRONG_KIND_OF_BINDING'),
  RPC_S_INVALID_BINDING: ofCalls('RPC_S_INVALID_BINDING'),
  RPC_S_PROTSEQ_NOT_SUPPORTED: ofCalls('RPC_S_PROTSEQ_NOT_SUPPORTED'),
  RPC_S_ALREADY_REGISTERED: ofCalls('RPC_S_ALREADY_REGISTERED'),
  RPC_S_ALREADY_LISTENING: ofCalls('RPC_S_ALREADY_LISTENING'),
  RPC_S_NO_PROTSEQS_REGISTERED: ofCalls('RPC_S_NO_PROTSEQS_REGISTERED'),
  RPC_S_UNKNOWN_IF: ofCalls('RPC_S_UNKNOWN_IF'),
  RPC_S_DUPLICATE_ENDPOINT: ofCalls('RPC_S_DUPLICATE_ENDPOINT'),
  RPC_S_PROCNUM_OUT_OF_RANGE: ofCalls('RPC_S_PROCNUM_OUT_OF_RANGE'),
  RPC_S_BINDING_HAS_NO_AUTH: ofCalls('RPC_S_BINDING_HAS_NO_AUTH'),
  RPC_S_UNKNOWN_AUTHN_SERVICE: ofCalls('RPC_S_UNKNOWN_AUTHN_SERVICE'),
  RPC_S_UNKNOWN_AUTHN_LEVEL: ofCalls('RPC_S_UNKNOWN_AUTHN_LEVEL'),
  RPC_S_INVALID_AUTH_IDENTITY: ofCalls('RPC_S_INVALID_AUTH_IDENTITY'),
  RPC_S_CANNOT_SUPPORT: ofCalls('RPC_S_CANNOT_SUPPORT'),
  RPC_X_BAD_STUB_DATA: ofCalls('RPC_X_BAD_STUB_DATA'),

  CERT_E_EXPIRED: {
    told: () =>
      renewing('Brief', { validitySeconds: 60, overlapSeconds: 0 }, {}, () => {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 })
      })
  },
  CERT_E_UNTRUSTEDROOT: {
    told: async () => {
      const stranger = makeIdentity()
      const agent = { certificate: stranger.certificate.raw, privateKey: stranger.privateKey }
      const onBehalfOf = { account: `EXAMPLE\\${user.row.accountName}`, agent }
      return (await submitAs(server, registrar, { ...named('UserSignature'), onBehalfOf })).request.status.statusSymbol
    }
  },
  CERT_E_CHAINING: {
    atClient: () => {
      const settings = { trust: server.root, privateKeyArchiveCertificate: exchangeIdentity().certificate.raw }
      return new Enrollment(settings).createRequest({ type: 'cmc' })
    }
  },
  CERT_E_REVOKED: {
    never: 'A revoked certificate is told as CRYPT_E_REVOKED, as a Microsoft CA does (MS-WCCE 3.2.1.4).'
  },
  CERT_E_WRONG_USAGE: {
    told: async () => {
      const onBehalfOf = { account: `EXAMPLE\\${user.row.accountName}`, agent: byRegistrar }
      return (await submitAs(server, registrar, { ...named('ForOthers'), onBehalfOf })).request.status.statusSymbol
    }
  }
}

/** Signed attributes with the digest of another content. */
function anotherDigest(): Pick<CmcForgery, 'attributes'> {
  const digest = messageDigestAttribute(digestOf('sha256', Buffer.from('something else')))
  return { attributes: [contentTypeAttribute(OID.id_cct_PKIData), digest] }
}

/** The SignedData with an empty set of signers. */
function withoutSigners(message: Uint8Array): Uint8Array {
  return replaceElement(message, [1, 0, 4], () => [encodeSetOf([])])
}

const codesOf = (symbol: HresultSymbol) =>
  (Object.keys(ERROR_CODES) as ErrorCode[]).filter(code => hresultOf(code).symbol === symbol)

/** What a cause comes to; of one that there is none of, the codes that would be told by the symbol. */
async function outcomeOf(symbol: HresultSymbol, cause: Cause): Promise<unknown> {
  if ('told' in cause) return cause.told()
  if ('pure' in cause) return hresultOf(cause.pure()).symbol
  if ('never' in cause) return codesOf(symbol)
  const error: unknown = await cause.atClient().catch((thrown: unknown) => thrown)
  return isAppError(error) ? hresultOf(error.code).symbol : error
}

function aboutOf(cause: Cause): string {
  if ('told' in cause) return 'told by the server'
  if ('pure' in cause) return `told by a rule. ${cause.why}`
  return 'never' in cause ? `told by nothing. ${cause.never}` : 'met by a client'
}

describe('an HRESULT', () => {
  const table = (Object.keys(CAUSES) as (keyof typeof CAUSES)[]).map(symbol => {
    const cause = CAUSES[symbol]
    return [symbol, aboutOf(cause), cause, 'never' in cause ? (cause.codes ?? []) : symbol] as const
  })

  it('of every kind has its cause, or the reason why nothing causes it', () => {
    const known = Object.keys(HRESULTS).filter(symbol => symbol !== 'S_OK')
    expect(table.map(([symbol]) => symbol).toSorted()).toEqual(known.toSorted())
  })

  it.each(table)('%s is %s', async (symbol, _about, cause, expected) => {
    expect(await outcomeOf(symbol, cause)).toEqual(expected)
  })
})
