import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest } from '@app/client'
import {
  CMC_FAIL_INFO,
  CMC_STATUS,
  encodeCertRequest,
  encodeCrmfRequestSequence,
  encodeSignatureProof,
  encodeTaggedAttribute,
  hresultOf,
  type CmcFailInfoName,
  type HresultSymbol
} from '@app/cmc'
import { removeUnsignedAttribute, withUnsignedAttributes } from '@app/cms'
import type { ErrorCode } from '@app/core'
import { encodeContext, encodeInteger, encodeSequence, encodeTlv, TAG } from '@app/der'
import { OID } from '@app/oid'
import { decodeCertificate, type Certificate } from '@app/x509'
import {
  cmcRequest,
  planOf,
  wrapContent,
  wrapKey,
  type ArchivalDialect,
  type CmcParts
} from '../helpers/archival-requests.js'
import { archivedKeyAttribute, exchangeIdentity, forgeCmc } from '../helpers/cmc-messages.js'
import { closeFactorsKey, sampleRsaKey } from '../helpers/escrow-samples.js'
import { tracesOf, verifiedResponse } from '../helpers/request-outcomes.js'
import { startTestServer, type TestCa, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { signSample, toSampleKey } from '../helpers/x509-samples.js'

let server: TestServer
let otherCa: TestCa
let requester: TestPrincipal
let victim: TestPrincipal
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer()
  otherCa = await server.addCa('Other CA')
  requester = await server.addPrincipal()
  victim = await server.addPrincipal()
  client = server.connect(requester)
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

const BOTH = ['microsoft', 'standard'] as const
const [own, another] = [() => sampleRsaKey(0), () => sampleRsaKey(1)]

async function exchangeOf(caName = server.ca.name): Promise<Certificate> {
  await using request = server.connect(requester, caName)
  return decodeCertificate(await request.getCACertificate({ exchange: true }))
}

/** A request for the key 0 and a template that demands archival. */
function request(dialect: ArchivalDialect, envelope?: Uint8Array, parts: Partial<CmcParts> = {}): Promise<Uint8Array> {
  const sound = { dialect, privateKey: own(), template: 'UserEncryption' }
  return cmcRequest({ ...sound, ...(envelope === undefined ? {} : { envelope }), ...parts })
}

/** A request that is sound but for the private key that it brings. */
async function archiving(dialect: ArchivalDialect, archived: KeyObject, requested = archived): Promise<Uint8Array> {
  return request(dialect, wrapKey(archived, dialect, await exchangeOf()), { privateKey: requested })
}

async function withTamperedEnvelope(dialect: ArchivalDialect, fromEnd: number): Promise<Uint8Array> {
  const envelope = Buffer.from(wrapKey(own(), dialect, await exchangeOf()))
  const at = envelope.length - fromEnd
  envelope.writeUInt8(envelope.readUInt8(at) ^ 0x01, at)
  return request(dialect, envelope)
}

/** The key of a request that somebody else has made, bound to this one by its hash and signature. */
async function withStolenEnvelope(dialect: ArchivalDialect): Promise<Uint8Array> {
  const envelope = wrapKey(another(), dialect, await exchangeOf())
  await using victims = server.connect(victim)
  expect(await victims.submit(await request(dialect, envelope, { privateKey: another() }))).toBe(3)
  return request(dialect, envelope)
}

async function withSwappedEnvelope(): Promise<Uint8Array> {
  const exchange = await exchangeOf()
  const message = await request('microsoft', wrapKey(own(), 'microsoft', exchange))
  const stripped = removeUnsignedAttribute(message, OID.szOID_ARCHIVED_KEY_ATTR)
  return withUnsignedAttributes(stripped, 0, [archivedKeyAttribute(wrapKey(own(), 'microsoft', exchange))])
}

/** A CRMF request with the key in the form that RFC 4211 gave up. */
async function withEncryptedValue(): Promise<Uint8Array> {
  const key = toSampleKey(own())
  const {
    subject,
    publicKey,
    extensions,
    transactionId = new Uint8Array()
  } = planOf({
    dialect: 'standard',
    privateKey: own(),
    template: 'UserEncryption'
  })
  const encryptedValue = encodeSequence(encodeTlv(TAG.bitString, Buffer.of(0, 1, 2, 3)))
  const control = { type: OID.id_regCtrl_pkiArchiveOptions, value: encodeContext(0, encryptedValue) }
  const certRequest = encodeCertRequest({ certReqId: 1, subject, publicKey, extensions, controls: [control] })
  const proof = encodeSignatureProof(key.scheme, signSample(key, certRequest))
  const ties = encodeTaggedAttribute(2, OID.id_cmc_transactionId, encodeTlv(TAG.integer, transactionId))
  return forgeCmc({ controls: [ties], requestSequence: encodeCrmfRequestSequence(certRequest, proof) }, key)
}

interface Refusal {
  readonly what: string
  readonly dialects: readonly ArchivalDialect[]
  readonly make: (dialect: ArchivalDialect) => Promise<Uint8Array>
  readonly code: ErrorCode
  readonly symbol: HresultSymbol
  readonly hresult: string
  readonly failInfo: CmcFailInfoName
  readonly state: 'denied' | 'failed'
}

const mismatch = {
  dialects: BOTH,
  code: 'archived_key_mismatch',
  symbol: 'NTE_BAD_KEY',
  hresult: '0x80090003',
  failInfo: 'popFailed',
  state: 'failed'
} as const
const unknownRecipient = {
  dialects: BOTH,
  code: 'exchange_recipient_unknown',
  symbol: 'CRYPT_E_RECIPIENT_NOT_FOUND',
  hresult: '0x8009100b',
  failInfo: 'badCertId',
  state: 'failed'
} as const

const refusals: readonly Refusal[] = [
  { ...mismatch, what: 'the key of nobody', make: dialect => archiving(dialect, another(), own()) },
  { ...mismatch, what: 'the key of another request', make: withStolenEnvelope },
  {
    ...mismatch,
    what: 'no key at all',
    make: async dialect => request(dialect, wrapContent(encodeInteger(7), dialect, await exchangeOf()))
  },
  { ...mismatch, what: 'a changed last block', make: dialect => withTamperedEnvelope(dialect, 1) },
  { ...mismatch, what: 'a changed middle block', make: dialect => withTamperedEnvelope(dialect, 600) },
  {
    what: 'an envelope that is not the one of the hash',
    dialects: ['microsoft'],
    make: withSwappedEnvelope,
    code: 'cmc_key_hash_mismatch',
    symbol: 'CRYPT_E_HASH_VALUE',
    hresult: '0x80091007',
    failInfo: 'badMessageCheck',
    state: 'failed'
  },
  {
    ...unknownRecipient,
    what: 'an envelope for another CA of the installation',
    make: async dialect => request(dialect, wrapKey(own(), dialect, await exchangeOf(otherCa.name)))
  },
  {
    ...unknownRecipient,
    what: 'an envelope for a stranger',
    make: dialect => request(dialect, wrapKey(own(), dialect, exchangeIdentity().certificate))
  },
  {
    what: 'the deprecated EncryptedValue',
    dialects: ['standard'],
    make: withEncryptedValue,
    code: 'encrypted_value_unsupported',
    symbol: 'CERTSRV_E_BAD_REQUEST_KEY_ARCHIVAL',
    hresult: '0x8009400c',
    failInfo: 'badRequest',
    state: 'failed'
  },
  {
    what: 'no archived key where the template demands one',
    dialects: ['standard'],
    make: dialect => request(dialect),
    code: 'archived_key_required',
    symbol: 'CERTSRV_E_ARCHIVED_KEY_REQUIRED',
    hresult: '0x80094804',
    failInfo: 'mustArchiveKeys',
    state: 'denied'
  },
  {
    what: 'an archived key where the template wants none',
    dialects: BOTH,
    make: async dialect => request(dialect, wrapKey(own(), dialect, await exchangeOf()), { template: 'UserSignature' }),
    code: 'archived_key_unexpected',
    symbol: 'CERTSRV_E_ARCHIVED_KEY_UNEXPECTED',
    hresult: '0x80094810',
    failInfo: 'badRequest',
    state: 'denied'
  },
  {
    what: 'a key of 1024 bits',
    dialects: BOTH,
    make: dialect => archiving(dialect, generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
    code: 'key_too_small',
    symbol: 'CERTSRV_E_KEY_LENGTH',
    hresult: '0x80094811',
    failInfo: 'badRequest',
    state: 'denied'
  },
  {
    what: 'a key whose factors are close',
    dialects: BOTH,
    make: dialect => archiving(dialect, closeFactorsKey()),
    code: 'archived_key_weak',
    symbol: 'NTE_BAD_KEY',
    hresult: '0x80090003',
    failInfo: 'badRequest',
    state: 'failed'
  }
]

/** Submits and holds everything that a client or an auditor can see of a refusal against what it should be. */
async function expectRefusal(message: Uint8Array, dialect: ArchivalDialect, refusal: Omit<Refusal, 'what' | 'make'>) {
  const disposition = await client.submit(message, { wait: 20 })
  const { requestId, status } = client
  expect([disposition, status.dispositionName]).toEqual(refusal.state === 'denied' ? [2, 'denied'] : [1, 'error'])
  expect([client.lastStatus, status.statusSymbol]).toEqual([refusal.hresult, refusal.symbol])
  expect(hresultOf(refusal.code).symbol).toBe(refusal.symbol)
  expect(await client.getErrorMessageText(client.lastStatus)).not.toMatch(/no text is known/i)
  expect(status.archivedKey).toBe(false)
  await expect(client.getCertificate()).rejects.toMatchObject({ code: 'not_found' })

  expect(await tracesOf(server, requestId)).toMatchObject({
    state: refusal.state,
    failureCode: refusal.code,
    certificates: 0,
    sealedKeys: 0,
    // A denied request keeps its envelope for a while, since an administrator may take it up again.
    ...(refusal.state === 'failed' ? { envelopes: 0 } : {})
  })

  const { statusInfos, certificates, transactionId, recipientNonce } = await verifiedResponse(server, client)
  expect(statusInfos).toHaveLength(1)
  expect(statusInfos[0]).toMatchObject({
    status: CMC_STATUS.failed,
    version: dialect === 'standard' ? 2 : 1,
    statusString: client.dispositionMessage
  })
  expect(statusInfos[0]?.otherInfo).toEqual(
    dialect === 'standard' ? { kind: 'failInfo', failInfo: CMC_FAIL_INFO[refusal.failInfo] } : undefined
  )
  expect(certificates.map(({ serialHex }) => serialHex)).toEqual([server.ca.certificate.serialHex])
  return { transactionId, recipientNonce }
}

describe('a request to archive a key', () => {
  const cases = refusals.flatMap(refusal => refusal.dialects.map(dialect => ({ ...refusal, dialect })))

  it.each(cases)('with $what is refused ($dialect: $hresult)', async refusal => {
    const { transactionId } = await expectRefusal(await refusal.make(refusal.dialect), refusal.dialect, refusal)
    expect(transactionId?.length).toBe(16)
  })

  it.each(BOTH)('is refused in the same words whatever makes the key unreadable (%s)', async dialect => {
    const told: unknown[] = []
    for (const { make } of refusals.filter(({ code }) => code === 'archived_key_mismatch')) {
      await client.submit(await make(dialect), { wait: 20 })
      const { disposition, dispositionMessage, lastStatus } = client.status
      const { statusInfos } = await verifiedResponse(server, client)
      told.push({ disposition, dispositionMessage, lastStatus, statusInfos })
    }
    expect(told.length).toBe(5)
    expect(new Set(told.map(answer => JSON.stringify(answer))).size).toBe(1)
  })
})

describe('a CA that cannot archive', () => {
  const gone = {
    code: 'exchange_key_gone',
    symbol: 'CRYPT_E_NO_DECRYPT_CERT',
    hresult: '0x8009200c',
    failInfo: 'badCertId',
    state: 'failed'
  } as const

  it.each([
    ['has expired', `not_after = now() - interval '1 second'`],
    ['was destroyed', `state = 'destroyed', destroyed_at = now()`]
  ])('refuses an envelope for an exchange key that %s', async (_what, change) => {
    for (const dialect of BOTH) {
      const exchange = await exchangeOf()
      const message = await request(dialect, wrapKey(own(), dialect, exchange))
      const serialNumber = Buffer.from(exchange.serialNumber)
      await server.sql(`UPDATE certkeep.exchange_key SET ${change} WHERE serial_number = $1`, [serialNumber])
      await expectRefusal(message, dialect, { ...gone, dialects: BOTH })
      expect((await exchangeOf()).serialHex).not.toBe(exchange.serialHex)
    }
  })

  const noAgent = {
    code: 'no_valid_recovery_agent',
    symbol: 'CERTSRV_E_NO_VALID_KRA',
    hresult: '0x8009400b',
    failInfo: 'internalCAError'
  } as const
  const notConfigured = {
    code: 'archival_not_configured',
    symbol: 'CERTSRV_E_KEY_ARCHIVAL_NOT_CONFIGURED',
    hresult: '0x8009400a',
    failInfo: 'badRequest'
  } as const

  it.each([
    [
      'one recovery agent less than the template demands',
      `UPDATE certkeep.recovery_agent SET not_after = now() - interval '1 second' WHERE id = 1`,
      { ...noAgent, state: 'denied' }
    ],
    [
      'a recovery agent whose certificate is revoked, though it is not retired',
      `WITH revoked AS (
         UPDATE certkeep.certificate SET revoked_at = now(), revocation_reason = 1
         WHERE sha256 = (SELECT min(sha256) FROM certkeep.certificate WHERE state = 'issued' AND revoked_at IS NULL)
         RETURNING sha256)
       UPDATE certkeep.recovery_agent SET sha256 = (SELECT sha256 FROM revoked) WHERE id = 1`,
      { ...noAgent, state: 'denied' }
    ],
    [
      'a recovery agent whose certificate is for something else',
      `UPDATE certkeep.recovery_agent SET certificate = (SELECT certificate FROM certkeep.ca_certificate LIMIT 1)
       WHERE id = 1`,
      { ...noAgent, state: 'failed' }
    ],
    [
      'no recovery agent',
      `UPDATE certkeep.recovery_agent SET state = 'retired', retired_at = now()`,
      { ...notConfigured, state: 'denied' }
    ]
  ] as const)('refuses with %s', async (_what, change, refusal) => {
    await server.sql('CREATE TABLE certkeep.kept AS SELECT * FROM certkeep.recovery_agent')
    await server.sql(change)
    try {
      for (const dialect of BOTH) {
        await expectRefusal(await archiving(dialect, own()), dialect, { ...refusal, dialects: BOTH })
      }
    } finally {
      await server.sql(
        `UPDATE certkeep.recovery_agent AS a
         SET certificate = k.certificate, sha256 = k.sha256, not_after = k.not_after, state = k.state, retired_at = k.retired_at
         FROM certkeep.kept AS k WHERE k.id = a.id`
      )
      await server.sql('DROP TABLE certkeep.kept')
    }
  })
})
