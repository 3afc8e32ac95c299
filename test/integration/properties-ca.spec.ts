import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { CertRequest, PropertyValue } from '@app/client'
import { CR_PROPERTIES, type PropertyEntry } from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { OID } from '@app/oid'
import {
  decodeAuthorityInfoAccess,
  decodeCertificate,
  decodeCrl,
  decodeCrlDistributionPoints,
  decodeExtendedKeyUsage,
  findExtension,
  verifyCertificateSignature,
  verifyCrlSignature,
  type CertificateList
} from '@app/x509'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let principal: TestPrincipal
let client: CertRequest
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer({ caName: 'Test CA (Ünï, 1)' })
  principal = await server.addPrincipal()
  client = server.connect(principal)
  call = createCaller(server)
  // The first delta comes a second after the first base.
  await vi.waitFor(() => client.getCAProperty('DELTACRL'), { timeout: 10_000, interval: 100 })
})

afterAll(async () => {
  await Promise.all([client[Symbol.asyncDispose](), call.close()])
  await server.stop()
})

const NEWEST = [-1, 0xffffffff] as const

/** Properties that this program has no value for; an AD CS answers some of them in the same way. */
const EMPTY = new Set([8, 9, 35, 36, 37, 38, 47, 48, 49, 50, 1000, 1001, 1002])

const hex = (bytes: PropertyValue | undefined) => Buffer.from(bytes as Uint8Array).toString('hex')
const caHex = () => hex(server.ca.certificate.raw)
const certificatesIn = (value: PropertyValue) => decodeSignedData(value as Uint8Array).certificates.map(hex)

/** What the value of each property that has one must be. */
const values: Readonly<Record<number, (value: PropertyValue) => void | Promise<void>>> = {
  1: value => expect(value).toMatch(/^\d+\.\d+:\d+\.\d+$/),
  2: value => expect(value).toMatch(/^\d+\.\d+:\d+\.\d+$/),
  3: value => expect(value).toBe(1),
  4: value => expect(value).toBe('Certkeep'),
  5: value => expect(value).toBe('Certkeep'),
  6: value => expect(value).toBe('Test CA (Ünï, 1)'),
  7: value => expect(value).toBe('Test CA !0028!00dcn!00ef!002c 1!0029'),
  10: value => expect(value).toBe(0),
  11: value => expect(value).toBe(1),
  12: value => expect(hex(value)).toBe(caHex()),
  13: value => {
    expect(decodeSignedData(value as Uint8Array).signerInfos).toEqual([])
    expect(certificatesIn(value)).toEqual([caHex()])
  },
  14: value => expect(value).toBe(1),
  15: value => {
    const certificate = decodeCertificate(value as Uint8Array)
    verifyCertificateSignature(certificate, server.ca.certificate.publicKey)
    const usage = findExtension(certificate, OID.id_ce_extKeyUsage)
    expect(decodeExtendedKeyUsage(usage?.value ?? new Uint8Array())).toEqual([OID.szOID_KP_CA_EXCHANGE])
  },
  16: async value => {
    const { eContent, eContentType, signerInfos } = decodeSignedData(value as Uint8Array)
    const exchange = await client.getCAProperty('CR_PROP_CAXCHGCERT')
    expect([eContentType, signerInfos, hex(eContent)]).toEqual([OID.id_data, [], hex(exchange)])
    expect(certificatesIn(value).toSorted()).toEqual([caHex(), hex(exchange)].toSorted())
  },
  17: value => void expectCrl(value as Uint8Array),
  18: value => {
    const delta = expectCrl(value as Uint8Array)
    expect(findExtension(delta, OID.id_ce_deltaCRLIndicator)?.critical).toBe(true)
  },
  19: value => expect(value).toBe(3),
  20: value => expect(value).toBe(3),
  21: value => expect(value).toBe(50),
  22: value => expect(value).toBe('localhost'),
  23: value => expect(value).toBe(1),
  24: value => expect(value).toBe(3),
  25: value => expect(value).toBe(3),
  26: value => expect(hex(value)).toBe(hex(server.agents[0]?.certificate.raw)),
  27: value => expect(value).toBe(3),
  28: value => expect(value).toBe(1),
  29: value => {
    const lines = String(value).split('\n')
    expect(lines.pop()).toBe('\0')
    const names = lines.filter((_, index) => index % 2 === 0)
    expect(names.toSorted()).toEqual(['Computer', 'Operator', 'UserEncryption', 'UserSignature', 'WebServer'])
    expect(lines.filter((_, index) => index % 2 === 1).every(oid => /^2\.25\.\d+$/.test(oid))).toBe(true)
  },
  30: value => expect(value).toBe(5),
  31: value => expect(value).toBe(6),
  32: value => {
    const { certificates, crls } = decodeSignedData(value as Uint8Array)
    expect(certificates.map(hex)).toEqual([caHex()])
    for (const crl of crls) expectCrl(crl)
    expect(crls).toHaveLength(1)
  },
  33: value => {
    const { eContent, certificates, crls } = decodeSignedData(value as Uint8Array)
    expect(certificates.map(hex)).toContain(hex(eContent))
    for (const crl of crls) expectCrl(crl)
    expect(crls).toHaveLength(1)
  },
  34: value => expect(value).toBe(0),
  39: value => expect(value).toBe(0),
  40: value => expect(value).toBe('Test CA !0028!00dcn!00ef!002c 1!0029'),
  41: value => expectUrls(value, /\/crl\/1-0\.crl$/),
  42: value => expectUrls(value, /\/ca\/1-0\.cer$/),
  43: value => expectUrls(value, /\/ocsp\/1-0$/),
  44: value => expect(value).toBe('en-US'),
  45: value => expect(String(value).split('\n')).toContain(OID.id_at_commonName),
  46: value => expect(value).toBe(0)
}

function expectCrl(crl: Uint8Array): CertificateList {
  const decoded = decodeCrl(crl)
  verifyCrlSignature(decoded, server.ca.certificate.publicKey)
  expect(decoded.nextUpdate?.getTime()).toBeGreaterThan(Date.now())
  return decoded
}

/** One address a line, each with the line break, and the very one that certificates name. */
function expectUrls(value: PropertyValue, ending: RegExp): void {
  const [first = '', ...rest] = String(value).split('\n')
  expect(rest).toEqual([''])
  expect(first).toMatch(ending)
}

const types = { long: 'number', string: 'string', date: 'string', binary: 'object' } as const
const indexed = CR_PROPERTIES.filter(entry => entry.indexed)

describe('a property of a CA', () => {
  it.each(CR_PROPERTIES.filter(({ id }) => !EMPTY.has(id)))('$id $name has a value', async (entry: PropertyEntry) => {
    const value = await client.getCAProperty(entry.id)
    expect(typeof value).toBe(types[entry.type])
    const check = values[entry.id]
    if (check === undefined) throw new Error(`Nothing is said about ${entry.name}.`)
    await check(value)
    for (const name of [entry.name, entry.name.toLowerCase(), entry.name.replace('CR_PROP_', '')]) {
      expect(await client.getCAProperty(name)).toEqual(value)
    }
  })

  it.each(CR_PROPERTIES.filter(({ id }) => EMPTY.has(id)))('$id $name is empty', async ({ id, name }) => {
    await expect(client.getCAProperty(id)).rejects.toMatchObject({ code: 'property_empty' })
    await expect(client.getCAProperty(name)).rejects.toMatchObject({ code: 'property_empty' })
  })

  it.each(CR_PROPERTIES.filter(entry => !entry.indexed))('$id $name has no index but 0', async ({ id }) => {
    for (const index of [1, ...NEWEST]) {
      await expect(client.getCAProperty(id, index)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })

  it.each(indexed.filter(({ id }) => !EMPTY.has(id)))(
    '$id $name refuses an index that does not exist',
    async ({ id }) => {
      await expect(client.getCAProperty(id, 3)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  )

  const perCertificate = [12, 13, 15, 16, 17, 18, 19, 20, 30, 31, 32, 33, 34, 39, 41, 42, 43]
  it.each(perCertificate)('%i at index -1 and 0xffffffff is that of the newest certificate', async id => {
    const newest = await client.getCAProperty(id, 0)
    for (const index of NEWEST) expect(await client.getCAProperty(id, index)).toEqual(newest)
  })

  it('names the addresses that certificates name', async () => {
    const exchange = decodeCertificate((await client.getCAProperty('CAXCHGCERT')) as Uint8Array)
    const valueOf = (oid: string) => findExtension(exchange, oid)?.value ?? new Uint8Array()
    const crls = decodeCrlDistributionPoints(valueOf(OID.id_ce_cRLDistributionPoints))
    const { caIssuers, ocsp } = decodeAuthorityInfoAccess(valueOf(OID.id_pe_authorityInfoAccess))
    expect(await client.getCAProperty('CERTCDPURLS')).toBe(`${crls.join()}\n`)
    expect(await client.getCAProperty('CERTAIAURLS')).toBe(`${caIssuers.join()}\n`)
    expect(await client.getCAProperty('CERTAIAOCSPURLS')).toBe(`${ocsp.join()}\n`)
  })

  it('is not there under another number or name', async () => {
    for (const property of [0, 51, 4711, 'CR_PROP_NONE', 'FR_PROP_STATUS']) {
      await expect(client.getCAProperty(property)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })

  it('that is refused comes with its HRESULT', async () => {
    const base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}/properties`
    const told = async (path: string): Promise<readonly unknown[]> => {
      const answer = await call({ path: `${base}/${path}`, token: principal.token })
      const { status, code, hresult } = answer.json<ToldProblem>()
      return [answer.status, status, code, hresult]
    }
    expect(await told('12?index=1')).toEqual([400, 400, 'invalid_argument', '0x80070057'])
    expect(await told('12?index=-2')).toEqual([400, 400, 'invalid_argument', '0x80070057'])
    expect(await told('12?index=x')).toEqual([400, 400, 'invalid_argument', '0x80070057'])
    expect(await told('CR_PROP_SHAREDFOLDER')).toEqual([404, 404, 'property_empty', '0x80094004'])
  })

  it('tells of every recovery agent by its index', async () => {
    for (const [index, agent] of server.agents.entries()) {
      expect(hex(await client.getCAProperty('KRACERT', index))).toBe(hex(agent.certificate.raw))
    }
    await server.sql(`UPDATE certkeep.recovery_agent SET not_after = now() - interval '1 day' WHERE id = 2`)
    expect(await client.getCAProperty('KRACERTSTATE', 1)).toBe(0)
    expect(await client.getCAProperty('KRACERTUSEDCOUNT')).toBe(2)
    expect(await client.getCAProperty('KRACERTCOUNT')).toBe(3)
  })
})

describe('the certificates of a CA', () => {
  const base = () => `/api/v1/cas/${encodeURIComponent('test ca !0028!00dcn!00ef!002c 1!0029')}`

  it('come in the form that is asked for, by parameter or by Accept', async () => {
    const der = Buffer.from(server.ca.certificate.raw)
    const get = (query: string, accept?: string) =>
      call({
        path: `${base()}/certificate${query}`,
        token: principal.token,
        headers: accept === undefined ? {} : { accept }
      })
    expect((await get('?format=der')).body).toEqual(der)
    expect((await get('', 'application/pkix-cert')).body).toEqual(der)
    expect(Buffer.from((await get('?format=base64')).body.toString(), 'base64')).toEqual(der)
    expect((await get('?format=pem')).body.toString()).toBe(server.root)
    expect((await get('')).headers['content-type']).toContain('application/x-pem-file')
    for (const p7b of [await get('?format=p7b'), await get('', 'application/x-pkcs7-certificates')]) {
      expect(certificatesIn(p7b.body)).toEqual([caHex()])
    }
    expect((await get('?format=xml')).json<ToldProblem>()).toMatchObject({ status: 400, code: 'invalid_argument' })
    const chain = (await get('?exchange=true&chain=true&format=pem')).body.toString()
    expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(chain.endsWith(server.root)).toBe(true)
  })

  it('are listed with the CA, whose name may be written in its sanitized form and in any case', async () => {
    const answer = await call({ path: base(), token: principal.token })
    const ca = answer.json<{ name: string; kind: string; certificates: string[] }>()
    expect(ca).toMatchObject({ name: 'Test CA (Ünï, 1)', kind: 'root' })
    expect(ca.certificates.map(text => hex(Buffer.from(text, 'base64')))).toEqual([caHex()])
    const list = (await call({ path: '/api/v1/cas', token: principal.token })).json<{ items: object[] }>()
    expect(list.items).toEqual([ca])
  })
})

describe('the text of an HRESULT', () => {
  it('is told to anybody, for every way to write the number', async () => {
    for (const hresult of ['0x80094012', '-2146877422', '2148089874', 'CERTSRV_E_TEMPLATE_DENIED']) {
      const answer = await call({ path: `/api/v1/errors/${hresult}` })
      expect(answer.json()).toMatchObject({ hresult: '0x80094012', symbol: 'CERTSRV_E_TEMPLATE_DENIED' })
    }
    expect((await call({ path: '/api/v1/errors/nonsense' })).status).toBe(400)
  })
})
