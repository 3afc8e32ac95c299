import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Writable } from 'node:stream'
import { encodePem, TAG } from '@app/der'
import { decodeLdif, encodeLdif } from '@app/ldif'
import { OID } from '@app/oid'
import { createLogger } from '@app/platform'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import {
  decodeCertificate,
  encodeAuthorityInfoAccess,
  encodeCrlDistributionPoints,
  formatName,
  type Extension
} from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate } from '../helpers/administration.js'
import { BOMBS } from '../helpers/asn1-bombs.js'
import { Browser } from '../helpers/browser.js'
import { buildSampleCmc, sampleCertificationRequest } from '../helpers/cmc-messages.js'
import { callPlain, createCaller, type HttpAnswer, type HttpCaller } from '../helpers/http-calls.js'
import { startIdentityProvider, type TestIdentityProvider } from '../helpers/identity-provider.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { clientCertificate, messageOf, sampleClient, send } from '../helpers/registration-clients.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, nameOf, sampleKey, signSample } from '../helpers/x509-samples.js'

const publicUrl = 'https://certkeep.example.org:8443'

/** Text that means something to whoever puts it into a statement, a filter, a name, a page, a header, a path or a format. */
const PAYLOADS = [
  "'; DROP TABLE request; --",
  "x' OR '1'='1",
  'x") OR ("1"="1',
  '*)(uid=*))(|(uid=*',
  'x,OU=Admins+O="y"',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '../../../etc/passwd',
  '..\\..\\windows\\win.ini',
  '%2e%2e%2f%00',
  '%0d%0aX-Injected:%201',
  '${jndi:ldap://evil.example/a}',
  '{{7*7}} ${7*7} #{7*7}',
  '%s%n%x $(id) `id`',
  '__proto__',
  'constructor'
]

let server: TestServer
let provider: TestIdentityProvider
let call: HttpCaller
let officer: TestPrincipal
let auditor: TestPrincipal
let base: string
const log: string[] = []

/** A listener that nobody should ever come to. */
let trap: Server
let trapUrl: string
const trapped: string[] = []

beforeAll(async () => {
  trap = createServer((request, response) => {
    trapped.push(`${request.method} ${request.url}`)
    response.end()
  }).listen(0, '127.0.0.1')
  await once(trap, 'listening')
  trapUrl = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`
  provider = await startIdentityProvider(`${publicUrl}/api/v1/session/callback`)
  const { issuer, clientId, clientSecretFile, trustFile } = provider
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      log.push(chunk.toString())
      done()
    }
  })
  server = await startTestServer({
    log: createLogger({ level: 'debug', format: 'json', destination }),
    settings: { publicUrl, oidc: { issuer, clientId, clientSecretFile, trustFile }, registration: { enabled: true } }
  })
  const [, , webServer] = builtInTemplates() as [unknown, unknown, CertificateTemplate]
  await offerTemplate(server, { ...webServer, name: 'Supplied', oid: '2.25.3001', enroll: ['Domain Users'] })
  officer = await server.addOperator('officer')
  auditor = await server.addOperator('auditor')
  call = createCaller(server)
  base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
})

afterAll(async () => {
  await call.close()
  await server.stop()
  await provider.stop()
  trap.close()
})

/** A GET whose answer is none of a defect and has no header that the payload made. */
async function ask(path: string, principal: TestPrincipal): Promise<HttpAnswer> {
  const answer = await call({ path, token: principal.token })
  expect([200, 400, 403, 404, 405, 422]).toContain(answer.status)
  expect(Object.keys(answer.headers)).not.toContain('x-injected')
  expect(answer.headers['content-type']).toMatch(/^application\/(?:problem\+)?json/)
  expect(answer.headers['x-content-type-options']).toBe('nosniff')
  answer.json()
  return answer
}

describe('text that means something elsewhere', () => {
  it.each(PAYLOADS)('is text in every name, and nothing else: %s', async payload => {
    const requester = await server.addPrincipal({ displayName: payload, mail: 'a@example.org' })
    const subject = formatName({ rdns: [[{ type: OID.id_at_commonName, value: payload, tag: TAG.utf8String }]] })
    const request = await sampleCertificationRequest(sampleKey('P-256'))
    await using client = server.connect(requester)
    // As the request’s attributes, its key, and the subject that a template lets the request have.
    await client.submit(request, { attributes: `CertificateTemplate:${payload}\nSAN:dns=${payload}` })
    expect(client.status.dispositionName).toBe('denied')
    const supplied = { template: 'Supplied', subject, dnsNames: ['a.example.org'] }
    await client.submit(await pkcs10Request(supplied))
    const { requestId, dispositionName } = client.status
    expect(dispositionName).toBe('under_submission')

    const text = encodeURIComponent(payload)
    for (const query of ['subject', 'requester', 'template', 'ca', 'state', 'cursor', 'keyId', 'olderThan']) {
      await ask(`/api/v1/queue?${query}=${text}`, officer)
    }
    for (const query of ['subject', 'requester', 'template', 'ca', 'serial', 'cursor']) {
      await ask(`/api/v1/certificates?${query}=${text}`, officer)
    }
    for (const query of ['actor', 'action', 'objectType', 'objectId', 'from']) {
      await ask(`/api/v1/audit?${query}=${text}`, auditor)
    }
    for (const path of [`/api/v1/cas/${text}`, `${base}/requests/${text}`, `${base}/properties/${text}`]) {
      await ask(path, requester)
    }
    for (const path of [`/api/v1/certificates/${text}`, `/api/v1/queue/${text}`]) await ask(path, officer)
    const detail = await ask(`/api/v1/queue/${requestId}`, officer)
    expect(detail.json()).toMatchObject({ subject })
    await server.operate(officer).queue.approve(requestId, { reason: payload })
    await client.retrievePending(requestId, { wait: 10 })
    const issued = decodeCertificate(await client.getCertificate())
    expect(issued.subject.rdns.flat()).toEqual([{ type: OID.id_at_commonName, value: payload, tag: TAG.utf8String }])
    const [found] = await server.sql<{ display_name: string }>(
      'SELECT display_name FROM certkeep.principal WHERE id = $1',
      [requester.row.id]
    )
    expect(found?.display_name).toBe(payload)
  })

  it('is one value in LDIF, whatever it is', () => {
    const values = [...PAYLOADS, 'a\ndn: CN=evil', ' a', ':a', '<file:///etc/passwd', '', 'é', 'a\0b', 'x'.repeat(200)]
    const attributes = [{ name: 'cn', values: values.map(value => Buffer.from(value)) }]
    const [entry, ...others] = decodeLdif(encodeLdif([{ dn: 'CN=a,DC=x', attributes }]))
    expect(others).toEqual([])
    expect(entry?.dn).toBe('CN=a,DC=x')
    expect(entry?.attributes.flatMap(one => one.values.map(value => Buffer.from(value).toString()))).toEqual(values)
  })

  it('is one line of JSON each in the log', () => {
    expect(log.length).toBeGreaterThan(PAYLOADS.length)
    for (const line of log.join('').trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow()
    expect(log.join('')).not.toMatch(/^X-Injected/m)
  })

  it('is text on the pages for people', async () => {
    const markup = '<script>alert(1)</script>'
    const person = await server.addOperator('auditor', { changes: { accountName: markup, displayName: markup } })
    provider.signInAs({ sub: 'markup', upn: person.row.upn })
    const browser = new Browser([server.root, provider.trust], { [publicUrl]: server.url })
    try {
      const page = await browser.visit(`${publicUrl}/api/v1/session/sign-in`, {})
      expect(page.status).toBe(200)
      expect(page.text).not.toContain(markup)
      expect(page.text).toContain('&#60;script&#62;')
      expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'/)
    } finally {
      await browser.close()
    }
  })
})

describe('an address in what a stranger sends', () => {
  const addresses = (): Extension[] => [
    {
      oid: OID.id_pe_authorityInfoAccess,
      critical: false,
      value: encodeAuthorityInfoAccess({ caIssuers: [`${trapUrl}/issuer`], ocsp: [`${trapUrl}/ocsp`] })
    },
    {
      oid: OID.id_ce_cRLDistributionPoints,
      critical: false,
      value: encodeCrlDistributionPoints([`${trapUrl}/crl`])
    }
  ]

  it('is never fetched: in requests, their signers, client certificates, messages and registrations', async () => {
    const user = await server.addPrincipal()
    const key = sampleKey('P-256')
    const certificate = buildSampleCertificate(key, { extensions: addresses() })
    await using client = server.connect(user)
    await client.submit(await sampleCertificationRequest(key, [], addresses()))
    await client.submit((await buildSampleCmc({ extensions: addresses() })).request)
    const cosigner = {
      certificate,
      scheme: key.scheme,
      sign: (data: Uint8Array) => Promise.resolve(signSample(key, data))
    }
    await client.submit((await buildSampleCmc({ cosigners: [cosigner] })).request)

    // The certificate of a TLS client that nobody knows.
    const privateKey = key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const stranger = createCaller(server, { certificate: encodePem('CERTIFICATE', certificate), privateKey })
    const refused = await stranger({ path: '/api/v1/cas' }).catch(() => undefined)
    expect(refused?.status ?? 401).toBe(401)
    await stranger.close()

    // A client of the site whose certificate says where its CRL is.
    const computer = sampleClient(3)
    const subject = nameOf(`CN=${computer.name}`)
    const listed = clientCertificate(computer.key, { subject, issuer: subject, extensions: addresses() })
    const answer = await send(call, '', messageOf({ ...computer, certificate: listed }))
    expect(answer.status).toBeLessThan(500)

    const register = await call({
      method: 'POST',
      path: '/api/v1/directory/users/me/certificates',
      token: user.token,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ certificate: Buffer.from(certificate).toString('base64') })
    })
    expect(register.status).toBeLessThan(500)
    expect(trapped).toEqual([])
  })
})

describe('a message that is meant to be dear to read', () => {
  it('is refused by every listener at once, and holds nobody else up', async () => {
    const user = await server.addPrincipal()
    const [der, xml] = ['application/pkcs10', 'application/xml']
    const places: readonly (readonly [path: string, type: string])[] = [
      [`${base}/requests`, der],
      [`/cmc/${encodeURIComponent(server.ca.name)}`, 'application/pkcs7-mime; smime-type=CMC-Request'],
      ['/api/v1/configmgr/registrations', xml],
      [`${base}/requests`, 'application/json']
    ]
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const start = process.cpuUsage()
    let sent = 0
    for (const [what, body] of BOMBS) {
      for (const [path, type] of places) {
        const answer = await call({ method: 'POST', path, token: user.token, headers: { 'content-type': type }, body })
        expect(answer.status < 500 ? undefined : { what, path, status: answer.status }).toBeUndefined()
        sent++
      }
      const ocsp = { 'content-type': 'application/ocsp-request' }
      const answer = await callPlain(server.httpUrl, { method: 'POST', path: '/ocsp/1-0', headers: ocsp, body })
      expect(answer.status).toBeLessThan(500)
      sent++
    }
    delay.disable()
    const { user: own, system } = process.cpuUsage(start)
    // Client and server together; the loop also stands still for whatever else the machine does meanwhile.
    expect((own + system) / 1000 / sent).toBeLessThan(200)
    expect(delay.percentile(99) / 1e6).toBeLessThan(500)
    expect((await call({ path: '/api/v1/cas', token: user.token })).status).toBe(200)
  })
})
