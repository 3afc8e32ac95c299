import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CR_IN, type CertRequest, type PropertyValue } from '@app/client'
import { CMC_FAIL_INFO, decodePkiResponse, FR_PROPERTIES } from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { decodePem } from '@app/der'
import { decodeCertificate, decodeCrl, verifyCrlSignature } from '@app/x509'
import { cmcRequest, wrapKey } from '../helpers/archival-requests.js'
import { sampleRsaKey } from '../helpers/escrow-samples.js'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let user: TestPrincipal
let call: HttpCaller
const clients: CertRequest[] = []

/** What a response tells besides itself; `undefined` for a property that it has no value for. */
type Expected = Readonly<Record<number, PropertyValue | undefined>>

interface Answered {
  readonly client: CertRequest
  readonly expected: Expected
}

const answered: Record<string, Answered> = {}

beforeAll(async () => {
  server = await startTestServer()
  user = await server.addPrincipal()
  call = createCaller(server)
  answered['issued'] = await issued()
  answered['archived, Microsoft'] = await archived('microsoft', 'sha256')
  answered['archived, standard'] = await archived('standard', 'sha256')
  answered['pending'] = await pending()
  answered['denied, Microsoft'] = await denied()
  answered['failed, standard'] = await failed()
})

afterAll(async () => {
  await Promise.all([...clients.map(client => client[Symbol.asyncDispose]()), call.close()])
  await server.stop()
})

async function submitted(request: Uint8Array, disposition: number, principal = user): Promise<CertRequest> {
  const client = server.connect(principal)
  clients.push(client)
  expect(await client.submit(request)).toBe(disposition)
  return client
}

const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest()

async function certificateFacts(client: CertRequest): Promise<Expected> {
  const certificate = await client.getCertificate()
  return { 4: 0, 5: 'Issued', 6: 0, 10: sha1(certificate), 11: Buffer.from(certificate) }
}

async function issued(): Promise<Answered> {
  const client = await submitted(await pkcs10Request({ template: 'UserSignature' }), 3)
  return { client, expected: await certificateFacts(client) }
}

async function archived(dialect: 'microsoft' | 'standard', digest: string): Promise<Answered> {
  await using any = server.connect(user)
  const exchange = decodeCertificate(await any.getCACertificate({ exchange: true }))
  const envelope = wrapKey(sampleRsaKey(0), dialect, exchange)
  const parts = { dialect, privateKey: sampleRsaKey(0), template: 'UserEncryption', envelope }
  const client = await submitted(await cmcRequest(parts), 3)
  const keyHash = createHash(digest).update(envelope).digest()
  return { client, expected: { ...(await certificateFacts(client)), 14: keyHash } }
}

async function pending(): Promise<Answered> {
  const computer = await server.addPrincipal({ kind: 'computer' })
  const client = await submitted(await webServerRequest(), 5, computer)
  const token = Buffer.from(String(client.requestId))
  return { client, expected: { 4: 3, 5: 'Taken Under Submission', 6: 2, 8: token, 9: submittedSecond(client) } }
}

/** GeneralizedTime has whole seconds. */
function submittedSecond({ status }: CertRequest): string {
  return new Date(Math.floor(Date.parse(status.submittedAt) / 1000) * 1000).toISOString()
}

async function denied(): Promise<Answered> {
  const client = await submitted(await pkcs10Request({ template: 'WebServer' }), 2)
  return { client, expected: { 4: 2, 5: client.dispositionMessage, 6: 0 } }
}

async function failed(): Promise<Answered> {
  const parts = { dialect: 'standard', privateKey: sampleRsaKey(0), template: 'UserEncryption' } as const
  const client = await submitted(await cmcRequest(parts), 2)
  return { client, expected: { 4: 2, 5: client.dispositionMessage, 6: 1, 7: CMC_FAIL_INFO.mustArchiveKeys } }
}

const types = { long: 'number', string: 'string', date: 'string', binary: 'object' } as const
const kinds = [
  'issued',
  'archived, Microsoft',
  'archived, standard',
  'pending',
  'denied, Microsoft',
  'failed, standard'
]

describe.each(kinds)('the full response of a request that is %s', kind => {
  const get = (): Answered => {
    const found = answered[kind]
    if (found === undefined) throw new Error(`There is no request that is ${kind}.`)
    return found
  }
  const isIssued = kind === 'issued' || kind.startsWith('archived')

  it('is there whole, without its signature, and says how many statuses it has', async () => {
    const { client } = get()
    const whole = await client.getFullResponseProperty(1)
    expect(Buffer.from(whole)).toEqual(Buffer.from(await client.getFullResponse()))
    const content = (await client.getFullResponseProperty('FULLRESPONSENOPKCS7')) as Uint8Array
    expect(Buffer.from(content)).toEqual(Buffer.from(decodeSignedData(whole).eContent ?? []))
    expect(decodePkiResponse(content).controls.length).toBeGreaterThan(0)
    expect(await client.getFullResponseProperty('FR_PROP_STATUSINFOCOUNT')).toBe(1)
    expect(await client.getFullResponseProperty('BODYPARTSTRING')).toBe('1')
  })

  it.each(FR_PROPERTIES.filter(({ id }) => ![1, 2, 3, 12, 13, 15].includes(id)))(
    'has or lacks $id $name',
    async entry => {
      const { client, expected } = get()
      const value = expected[entry.id]
      for (const property of [entry.id, entry.name, entry.name.replace('FR_PROP_', '').toLowerCase()]) {
        const told = client.getFullResponseProperty(property)
        if (value === undefined) {
          await expect(told).rejects.toMatchObject({ code: 'property_empty' })
          continue
        }
        const found = await told
        expect(typeof found).toBe(types[entry.type])
        expect(found instanceof Uint8Array ? Buffer.from(found) : found).toEqual(value)
      }
    }
  )

  it.each([12, 13])('has its chain, or none without a certificate (%i)', async id => {
    const { client } = get()
    const told = client.getFullResponseProperty(id)
    if (!isIssued) return expect(told).rejects.toMatchObject({ code: 'property_empty' })
    const { certificates, signerInfos } = decodeSignedData((await told) as Uint8Array)
    const wanted = [await client.getCertificate(), server.ca.certificate.raw]
    expect(signerInfos).toEqual([])
    expect(new Set(certificates.map(raw => sha1(raw).toString('hex')))).toEqual(
      new Set(wanted.map(raw => sha1(raw).toString('hex')))
    )
  })

  it.each(FR_PROPERTIES)('has no index 1 of $id $name', async ({ id }) => {
    await expect(get().client.getFullResponseProperty(id, 1)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('the chain with CRLs', () => {
  it('has the CRL of the CA where the client asked for it', async () => {
    const client = server.connect(user)
    clients.push(client)
    await client.submit(await pkcs10Request({ template: 'UserSignature' }), { flags: CR_IN.CR_IN_CRLS })
    const chain = (await client.getFullResponseProperty('ISSUEDCERTIFICATECRLCHAIN')) as Uint8Array
    const { crls, certificates } = decodeSignedData(chain)
    expect([crls.length, certificates.length]).toEqual([1, 2])
    verifyCrlSignature(decodeCrl(crls[0] ?? new Uint8Array()), server.ca.certificate.publicKey)
    const without = (await client.getFullResponseProperty('ISSUEDCERTIFICATECHAIN')) as Uint8Array
    expect(decodeSignedData(without).crls).toEqual([])
  })
})

describe('the issued certificate', () => {
  it('comes in each form, alone and with its chain', async () => {
    const { client } = answered['issued'] as Answered
    const der = Buffer.from(await client.getCertificate())
    const base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests/${client.requestId}/certificate`
    const get = async (query: string) => (await call({ path: `${base}${query}`, token: user.token })).body
    expect(await get('?format=der')).toEqual(der)
    expect(await get('?format=der&chain=true')).toEqual(der)
    expect(Buffer.from((await get('?format=base64')).toString(), 'base64')).toEqual(der)
    expect(decodePem((await get('')).toString()).map(({ bytes }) => Buffer.from(bytes))).toEqual([der])
    const pem = decodePem((await get('?chain=true')).toString())
    expect(pem.map(({ bytes }) => Buffer.from(bytes))).toEqual([der, Buffer.from(server.ca.certificate.raw)])
    expect(decodeSignedData(await get('?format=p7b')).certificates).toHaveLength(1)
    expect(decodeSignedData(await get('?format=p7b&chain=true')).certificates).toHaveLength(2)
  })
})

describe('a property of a full response', () => {
  it('is not there under another number or name', async () => {
    const { client } = answered['issued'] as Answered
    for (const property of [0, 23, 'FR_PROP_NONE', 'CR_PROP_CANAME']) {
      await expect(client.getFullResponseProperty(property)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })

  it('that is refused comes with its HRESULT', async () => {
    const { client } = answered['issued'] as Answered
    const base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests/${client.requestId}/full-response/properties`
    for (const [path, status, hresult] of [
      ['4?index=1', 400, '0x80070057'],
      ['1?index=1', 400, '0x80070057'],
      ['0', 400, '0x80070057'],
      ['20', 404, '0x80094004']
    ] as const) {
      const answer = await call({ path: `${base}/${path}`, token: user.token })
      expect(answer.json<ToldProblem>()).toMatchObject({ status, hresult })
    }
  })

  it('comes in each encoding of the whole response', async () => {
    const { client } = answered['issued'] as Answered
    const der = Buffer.from(await client.getFullResponse())
    const base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests/${client.requestId}/full-response`
    const get = (query: string) => call({ path: `${base}${query}`, token: user.token })
    for (const encoding of ['der', 'p7b']) expect((await get(`?encoding=${encoding}`)).body).toEqual(der)
    expect(Buffer.from((await get('')).body.toString(), 'base64')).toEqual(der)
    expect((await get('?encoding=pem')).body.toString()).toMatch(/^-----BEGIN PKCS7-----\n/)
    expect((await get('?encoding=der')).headers['content-type']).toBe('application/pkcs7-mime; smime-type=CMC-Response')
  })
})
