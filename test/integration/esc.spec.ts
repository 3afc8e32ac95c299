import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { Console } from '@app/client'
import { encodePem, encodeUtf8String } from '@app/der'
import { decodeLdif } from '@app/ldif'
import { OID } from '@app/oid'
import { loadConfig } from '@app/platform'
import { PERMISSIONS } from '@app/policy'
import {
  builtInTemplates,
  encodeTemplate,
  ENROLLMENT_FLAG,
  lintExport,
  lintTemplate,
  SUBJECT_NAME_FLAG,
  type CertificateTemplate
} from '@app/templates'
import {
  decodeCertificate,
  decodeSecurityIdentifier,
  decodeSubjectAltName,
  encodeAttribute,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeSecurityIdentifier,
  encodeSubjectAltName,
  findExtension,
  findUserPrincipalName,
  formatName,
  type Certificate,
  type Extension
} from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate } from '../helpers/administration.js'
import { decidePending } from '../helpers/decisions.js'
import {
  directoryUser,
  enrollmentService,
  exportedTemplate,
  faultyExport,
  policyObject
} from '../helpers/directory-export.js'
import { freshKey } from '../helpers/enrollment-ca.js'
import { forceTemplate, tamperWithTemplate } from '../helpers/forced-template.js'
import { callPlain, createCaller, type ClientIdentity } from '../helpers/http-calls.js'
import { tracesOf } from '../helpers/request-outcomes.js'
import { securityDescriptorBytes } from '../helpers/security-descriptors.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { buildSampleCertificate, buildSampleRequest, nameOf, toSampleKey } from '../helpers/x509-samples.js'

const [, signature, webServer] = builtInTemplates() as [CertificateTemplate, CertificateTemplate, CertificateTemplate]
const fromRequest = SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT
const victim = 'administrator@example.org'
const victimSid = 'S-1-5-21-1-2-3-500'
const upnOf = (upn: string) =>
  ({ kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String(upn) }) as const
const refused = (code: string) => expect.objectContaining({ code })

let server: TestServer
let mallory: TestPrincipal
let author: Console
let activator: Console
let base: string
beforeAll(async () => {
  server = await startTestServer()
  mallory = await server.addPrincipal({ groupNames: ['Domain Users', 'Domain Computers'] })
  author = server.operate(await server.addOperator('administrator'))
  activator = server.operate(await server.addOperator('administrator'))
  base = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
})
afterAll(async () => {
  await author[Symbol.asyncDispose]()
  await activator[Symbol.asyncDispose]()
  await server.stop()
})

/** What an attacker asks for: the names and the identifier of somebody else. */
const foreignNames: readonly Extension[] = [
  {
    oid: OID.id_ce_subjectAltName,
    critical: false,
    value: encodeSubjectAltName([upnOf(victim), { kind: 'dNSName', value: 'dc.example.org' }])
  },
  { oid: OID.szOID_NTDS_CA_SECURITY_EXT, critical: false, value: encodeSecurityIdentifier(victimSid) }
]

async function requestFor(template: string, extensions = foreignNames, privateKey?: KeyObject): Promise<Uint8Array> {
  const named = {
    oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION,
    critical: false,
    value: encodeCertificateTemplateName(template)
  }
  const attributes = [encodeAttribute(OID.extensionRequest, [encodeExtensions([named, ...extensions])])]
  const key = privateKey === undefined ? freshKey() : toSampleKey(privateKey)
  return buildSampleRequest(key, { subject: nameOf('CN=Administrator,CN=Users,DC=example,DC=org'), attributes })
}

/** Submits with the SDK; an officer approves what waits. The certificate, or what stands in its place. */
async function issued(
  template: string,
  parts: {
    readonly extensions?: readonly Extension[]
    readonly attributes?: string
    readonly privateKey?: KeyObject
    readonly by?: TestPrincipal
  } = {}
): Promise<Certificate> {
  await using client = server.connect(parts.by ?? mallory)
  const options = parts.attributes === undefined ? {} : { attributes: parts.attributes }
  await client.submit(await requestFor(template, parts.extensions, parts.privateKey), options)
  if (client.status.dispositionName === 'under_submission') {
    await decidePending(server, client.requestId, 'approved')
    await client.retrievePending(client.requestId, { wait: 10 })
  }
  expect(client.status).toMatchObject({ dispositionName: 'issued' })
  return decodeCertificate(await client.getCertificate())
}

const upnsOf = (certificate: Certificate): string[] => {
  const extension = findExtension(certificate, OID.id_ce_subjectAltName)
  return extension === undefined
    ? []
    : decodeSubjectAltName(extension.value).flatMap(name =>
        name.kind === 'otherName' ? (findUserPrincipalName(name) ?? []) : []
      )
}
const sidOf = (certificate: Certificate): string | undefined => {
  const extension = findExtension(certificate, OID.szOID_NTDS_CA_SECURITY_EXT)
  return extension === undefined ? undefined : decodeSecurityIdentifier(extension.value)
}

/**
 * The linter has an error by this name; two administrators cannot make the template active; and the engine refuses a
 * request for it when it was forced into the table with SQL.
 */
async function expectRefusedEverywhere(rule: string, template: CertificateTemplate): Promise<void> {
  const errors = lintTemplate(template).filter(({ severity }) => severity === 'error')
  expect(errors.map(finding => finding.rule)).toContain(rule)

  const draft = await author.templates.add(encodeTemplate(template))
  expect(draft.state).toBe('draft')
  await expect(activator.templates.activate(draft.id)).rejects.toThrow(refused('template_unsafe'))
  expect(await author.templates.show(draft.id)).toMatchObject({ state: 'draft', findings: expect.any(Array) })

  await forceTemplate(server, { ...template, minorVersion: template.minorVersion + 1 })
  await using client = server.connect(mallory)
  await client.submit(await requestFor(template.name))
  expect(client.status).toMatchObject({ dispositionName: 'denied', lastStatus: '0x80094800' })
  expect(await tracesOf(server, client.requestId)).toMatchObject({
    state: 'denied',
    failureCode: 'template_unsafe',
    certificates: 0
  })
}

let number = 2000
const variant = (
  name: string,
  of: CertificateTemplate,
  changes: Partial<CertificateTemplate>
): CertificateTemplate => ({
  ...of,
  name,
  displayName: name,
  oid: `2.25.${number++}`,
  enroll: ['Domain Users'],
  ...changes
})

describe('templates', () => {
  it('ESC1: nobody names the subject of a certificate for logging on without an approval', async () => {
    await expectRefusedEverywhere('ESC1', variant('Esc1', signature, { subjectNameFlags: fromRequest }))
  })

  it('ESC2: no certificate is for any purpose', async () => {
    await expectRefusedEverywhere('ESC2', variant('Esc2', signature, { extendedKeyUsages: [] }))
    await expectRefusedEverywhere(
      'ESC2',
      variant('Esc2Any', signature, { extendedKeyUsages: [OID.anyExtendedKeyUsage] })
    )
  })

  it('ESC3: nobody becomes an enrollment agent without an approval, nor signs for one with an ordinary certificate', async () => {
    const agent = { extendedKeyUsages: [OID.szOID_ENROLLMENT_AGENT] }
    await expectRefusedEverywhere('ESC3', variant('Esc3', signature, agent))
    const anySignature = {
      subjectNameFlags: fromRequest,
      raSignatures: 1,
      raApplicationPolicies: [OID.id_kp_clientAuth]
    }
    await expectRefusedEverywhere('ra-policy', variant('Esc3Target', signature, anySignature))
  })

  it('ESC4: a template that everybody can write in AD is not taken over, and only administrators write here', async () => {
    const everybody = securityDescriptorBytes({ aces: [{ sid: 'S-1-5-11', mask: 0x40000 }] }).toString('base64')
    await expectRefusedEverywhere('ESC4', variant('Esc4', signature, { securityDescriptor: everybody }))
    const plain = server.operate(await server.addPrincipal({}, { scopes: ['enroll', 'console'] }))
    const mine = encodeTemplate(variant('Esc4Own', signature, {}))
    await expect(plain.templates.add(mine)).rejects.toThrow(refused('access_denied'))
    await plain[Symbol.asyncDispose]()
    for (const role of ['front', 'authority', 'archive'] as const) {
      const { dataSource } = await server.database.open(role)
      await expect(dataSource.query(`UPDATE certkeep.template SET state = 'active'`)).rejects.toThrow(
        /permission denied/
      )
      await expect(dataSource.query(`INSERT INTO certkeep.template (name) VALUES ('x')`)).rejects.toThrow(
        /permission denied/
      )
    }
    await expect(server.sql(`UPDATE certkeep.template SET definition = '{}'`)).rejects.toThrow(/template_is_immutable/)
  })

  it('ESC9: no template leaves the security identifier out', async () => {
    const flags = { enrollmentFlags: ENROLLMENT_FLAG.NO_SECURITY_EXTENSION }
    await expectRefusedEverywhere('ESC9', variant('Esc9', signature, flags))
  })

  it('ESC13: no issuance policy without approval, since a directory may link it to a group, and a policy gives nothing here', async () => {
    const policy = '1.3.6.1.4.1.311.21.8.13'
    const linked = lintExport([exportedTemplate({ issuancePolicies: [policy] }), policyObject(policy, 'CN=Tier 0')])
    expect(linked.findings).toContainEqual(expect.objectContaining({ rule: 'ESC13', severity: 'error' }))

    await expectRefusedEverywhere('ESC13', variant('Esc13', signature, { issuancePolicies: [policy] }))

    const approved = { issuancePolicies: [policy], enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS }
    await offerTemplate(server, variant('Esc13Approved', signature, approved))
    await offerTemplate(server, variant('Tier0', signature, { enroll: ['Tier 0'] }))
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const certificate = await issued('Esc13Approved', { privateKey })
    expect(findExtension(certificate, OID.id_ce_certificatePolicies)).toBeDefined()
    const caller = createCaller(server, identityOf(certificate, privateKey))
    const answer = await caller({
      method: 'POST',
      path: `${base}/requests`,
      headers: { 'content-type': 'application/pkcs10' },
      body: await requestFor('Tier0')
    })
    await caller.close()
    expect(answer.json()).toMatchObject({ dispositionName: 'denied', lastStatus: '0x80094012' })
  })

  it('ESC15: application policies come from the template only, and version 1 takes no subject from the request', async () => {
    await expectRefusedEverywhere('ESC15', variant('Esc15', webServer, { schemaVersion: 1 }))
    const wish = Buffer.from('300e300c060a2b0601040182370a0304', 'hex') // a policy of EFS recovery
    const oid = OID.szOID_APPLICATION_CERT_POLICIES
    await offerTemplate(server, variant('Esc15Sound', webServer, {}))
    const certificate = await issued('Esc15Sound', {
      extensions: [...foreignNames, { oid, critical: true, value: wish }]
    })
    const policies = findExtension(certificate, oid)
    expect(Buffer.from(policies?.value as Uint8Array).includes(Buffer.from('2b06010505070301', 'hex'))).toBe(true)
    expect(Buffer.from(policies?.value as Uint8Array).includes(Buffer.from('2b0601040182370a0304', 'hex'))).toBe(false)
  })

  it('ESC17: nobody names a TLS server without an approval', async () => {
    await expectRefusedEverywhere('ESC17', variant('Esc17', webServer, { enrollmentFlags: 0 }))
  })

  it('are refused again when the certificate is made, should one have become unsafe after the decision', async () => {
    await offerTemplate(server, variant('Turned', webServer, {}))
    await using client = server.connect(mallory)
    await client.submit(await requestFor('Turned'))
    expect(client.status).toMatchObject({ dispositionName: 'under_submission' })
    await tamperWithTemplate(server, 'Turned', { extendedKeyUsages: [OID.anyExtendedKeyUsage] })
    await decidePending(server, client.requestId, 'approved')
    await client.retrievePending(client.requestId, { wait: 10 })
    expect(await tracesOf(server, client.requestId)).toMatchObject({
      state: 'failed',
      failureCode: 'template_unsafe',
      certificates: 0
    })
  })
})

function identityOf(certificate: Certificate | Uint8Array, privateKey: KeyObject): ClientIdentity {
  const raw = certificate instanceof Uint8Array ? certificate : certificate.raw
  return {
    certificate: encodePem('CERTIFICATE', raw),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** Whom the server takes a caller with a certificate for: the requester of what it submits; undefined for nobody. */
async function accountOf(identity: ClientIdentity): Promise<string | undefined> {
  const caller = createCaller(server, identity)
  const answer = await caller({
    method: 'POST',
    path: `${base}/requests`,
    headers: { 'content-type': 'application/pkcs10' },
    body: await requestFor('UserSignature')
  })
  await caller.close()
  if (answer.status === 401) return undefined
  const { requestId } = answer.json<{ readonly requestId: number }>()
  const [row] = await server.sql<{ readonly requester_id: string }>(
    'SELECT requester_id FROM certkeep.request WHERE id = $1',
    [requestId]
  )
  return row?.requester_id
}

describe('names and who has them', () => {
  it('ESC6: a request attribute gives no name, and there is no switch for it', async () => {
    const attributes = `SAN:upn=${victim}&dns=dc.example.org\nCertificateUsage:2.5.29.37.0\nExpirationDate:Thu, 01 Jan 2099 00:00:00 GMT`
    for (const template of ['UserSignature', 'WebServer']) {
      const own = { kind: 'dNSName', value: 'own.example.org' } as const
      const san = { oid: OID.id_ce_subjectAltName, critical: false, value: encodeSubjectAltName([own]) }
      const certificate = await issued(template, { attributes, extensions: [san] })
      const text = Buffer.from(certificate.raw).toString('latin1')
      expect([text.includes(victim), text.includes('dc.example.org')]).toEqual([false, false])
      expect(certificate.notAfter.getUTCFullYear()).toBeLessThan(2029)
    }
    expect(() => loadConfig({}, { overrides: { home: '.' } })).not.toThrow()
    for (const name of ['policy', 'editFlags', 'attributeSubjectAltName2', 'ca.editFlags']) {
      expect(() => loadConfig({}, { overrides: { [name]: 0x40000 } })).toThrow(refused('config_invalid'))
    }
  })

  it('ESC10: a certificate stands for the account it was issued to, whatever names it has', async () => {
    const both = [OID.id_kp_clientAuth]
    const pending = { subjectNameFlags: fromRequest, enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS }
    await offerTemplate(server, variant('Esc10', signature, { ...pending, extendedKeyUsages: both }))
    const boss = await server.addPrincipal({ accountName: 'boss', upn: 'boss@example.org' })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const names = [upnOf('boss@example.org'), { kind: 'rfc822Name', value: 'boss@example.org' }] as const
    const certificate = await issued('Esc10', {
      privateKey,
      extensions: [
        { oid: OID.id_ce_subjectAltName, critical: false, value: encodeSubjectAltName(names) },
        { oid: OID.szOID_NTDS_CA_SECURITY_EXT, critical: false, value: encodeSecurityIdentifier(boss.row.sid) }
      ]
    })
    expect([upnsOf(certificate), sidOf(certificate)]).toEqual([['boss@example.org'], boss.row.sid])
    expect(await accountOf(identityOf(certificate, privateKey))).toBe(mallory.row.id)
    const report = lintExport([directoryUser('m', { userPrincipalName: ['boss'] }), directoryUser('boss')])
    expect(report.findings).toContainEqual(expect.objectContaining({ rule: 'ESC10', severity: 'error' }))
  })

  it('ESC14: no certificate is tied to an account by issuer and subject; one like it from elsewhere opens nothing', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const genuine = await issued('UserSignature', { privateKey, extensions: [] })
    expect(await accountOf(identityOf(genuine, privateKey))).toBe(mallory.row.id)
    // The same names, serial number, dates and extensions, under the same name of a CA, by another key.
    const { privateKey: otherKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { serialNumber, notBefore, notAfter, extensions } = genuine
    const copy = buildSampleCertificate(
      toSampleKey(otherKey),
      { serialNumber, notBefore, notAfter, extensions, issuer: genuine.issuer.raw, subject: genuine.subject.raw },
      freshKey()
    )
    expect(await accountOf(identityOf(copy, otherKey))).toBeUndefined()
    // Kept for other programs that ask the directory; nobody signs in by it.
    await server.sql(`UPDATE certkeep.principal SET alt_security_identities = $2 WHERE id = $1`, [
      mallory.row.id,
      [`X509:<I>${formatName(genuine.issuer)}<S>${formatName(genuine.subject)}`]
    ])
    expect(await accountOf(identityOf(copy, otherKey))).toBeUndefined()
    const columns = await server.sql<{ readonly column_name: string }>(
      `SELECT column_name FROM information_schema.columns WHERE table_schema = 'certkeep' AND table_name = 'principal'`
    )
    expect(columns.filter(({ column_name: name }) => /mapping|identit|issuer/.test(name))).toEqual([
      { column_name: 'alt_security_identities' }
    ])
    expect(lintExport(decodeLdif(faultyExport())).findings).toContainEqual(
      expect.objectContaining({ rule: 'ESC14', object: expect.stringContaining('CN=victim') })
    )
  })

  it('ESC16: nothing takes the security identifier off a certificate for logging on', async () => {
    const certificate = await issued('UserSignature')
    expect([upnsOf(certificate), sidOf(certificate)]).toEqual([[mallory.row.upn], mallory.row.sid])
    for (const name of ['disableExtensionList', 'disabledExtensions', 'ca.disableExtensionList']) {
      const overrides = { [name]: [OID.szOID_NTDS_CA_SECURITY_EXT] } as object
      expect(() => loadConfig({}, { overrides })).toThrow(refused('config_invalid'))
    }
    const columns = await server.sql<{ readonly name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'certkeep'`
    )
    expect(columns.filter(({ name }) => /disable.*extension|extension.*disable|edit_?flags/i.test(name))).toEqual([])
  })
})

describe('the server around them', () => {
  it('ESC5: no process but the authority adds what is trusted, and only the owner by the machine makes a CA', async () => {
    for (const role of ['front', 'console', 'archive'] as const) {
      const { dataSource } = await server.database.open(role)
      for (const table of ['ca', 'ca_certificate', 'crl']) {
        await expect(dataSource.query(`INSERT INTO certkeep.${table} DEFAULT VALUES`)).rejects.toThrow(
          /permission denied/
        )
        await expect(dataSource.query(`DELETE FROM certkeep.${table}`)).rejects.toThrow(
          /permission denied|never deleted/
        )
      }
    }
    const report = lintExport(decodeLdif(faultyExport()))
    expect(report.findings).toContainEqual(
      expect.objectContaining({ rule: 'ESC5', severity: 'error', object: expect.stringMatching(/^CN=NTAuth/) })
    )
  })

  it('ESC7: whoever may only enroll manages neither the CA nor its requests', async () => {
    await using requester = server.connect(mallory)
    await requester.submit(await requestFor('WebServer'))
    expect(requester.status).toMatchObject({ dispositionName: 'under_submission' })
    const { paths } = (await callJson('/api/openapi.json')) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
    }
    const managing = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => (operation['x-certkeep-permission'] ?? '') in PERMISSIONS)
        .map(([method]) => ({ method: method.toUpperCase() as 'GET', path }))
    )
    expect(managing.length).toBeGreaterThan(8)
    const outsider = await server.addPrincipal({}, { scopes: ['enroll', 'console'] })
    const caller = createCaller(server)
    for (const { method, path } of managing) {
      const filled = path
        .replace('{ca}', encodeURIComponent(server.ca.name))
        .replaceAll(/\{\w+\}/g, String(requester.requestId))
      const call = {
        method,
        path: filled,
        ...(method === 'GET' ? {} : { headers: { 'content-type': 'application/json' }, body: '{}' })
      }
      const answers = await Promise.all([
        caller({ ...call, token: outsider.token }),
        caller({ ...call, token: mallory.token })
      ])
      expect([`${method} ${path}`, ...answers.map(({ status }) => status)]).toEqual([`${method} ${path}`, 403, 403])
    }
    await caller.close()
    expect(await tracesOf(server, requester.requestId)).toMatchObject({ state: 'pending' })
    const report = lintExport([enrollmentService({ certificateTemplates: [] }, [{ sid: 'S-1-5-11', mask: 0x40000 }])])
    expect(report.findings).toContainEqual(expect.objectContaining({ rule: 'ESC7', severity: 'error' }))
  })

  it('ESC8: no Windows logon is taken that could be relayed, and nothing is enrolled over plain HTTP', async () => {
    const caller = createCaller(server)
    const post = {
      method: 'POST',
      path: `${base}/requests`,
      headers: { 'content-type': 'application/pkcs10' },
      body: await requestFor('UserSignature')
    } as const
    for (const authorization of [
      'NTLM TlRMTVNTUAABAAAAB4IIAA==',
      'Negotiate TlRMTVNTUAABAAAAB4IIAA==',
      'Kerberos AAAA',
      'Basic YTpi'
    ]) {
      for (const path of [post.path, '/cmc/Test%20CA', '/api/v1/templates', '/certsrv/certfnsh.asp']) {
        const answer = await caller({ ...post, path, headers: { ...post.headers, authorization } })
        expect([401, 404, 415]).toContain(answer.status)
        expect(String(answer.headers['www-authenticate'] ?? '')).not.toMatch(/ntlm|negotiate|kerberos|basic/i)
      }
    }
    await caller.close()
    const headers = { ...post.headers, authorization: `Bearer ${mallory.token}` }
    for (const path of [post.path, '/cmc/Test%20CA', '/api/v1/templates', '/api/openapi.json']) {
      expect((await callPlain(server.httpUrl, { ...post, path, headers })).status).toBe(404)
    }
  })

  it('ESC11: no request is taken without encryption, nor with an old one', async () => {
    const { port, hostname } = new URL(server.url)
    const plain = await new Promise<string>(resolve => {
      const socket = connectPlain(Number(port), hostname)
      let text = ''
      socket.on('data', data => (text += data.toString('latin1')))
      socket.on('close', () => resolve(text)).on('error', () => resolve(text))
      socket.write(
        `POST ${base}/requests HTTP/1.1\r\nhost: ca\r\nauthorization: Bearer ${mallory.token}\r\ncontent-length: 0\r\n\r\n`
      )
    })
    expect(plain).not.toMatch(/HTTP\/1\.1 2/)
    const version = await new Promise<string>(resolve => {
      const options = {
        port: Number(port),
        host: hostname,
        ca: server.root,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0'
      } as const
      const socket = connectTls(options, () => resolve(socket.getProtocol() ?? ''))
      socket.on('error', () => resolve('refused'))
    })
    expect(version).toBe('refused')
  })

  it('ESC12: the key of the CA is encrypted where it is kept, and no other role has it', async () => {
    const directory = join(server.config.home, 'keys', 'authority')
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    expect(files.length).toBeGreaterThan(0)
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name)
      const text = readFileSync(path, 'latin1')
      expect([name, /PRIVATE KEY/.test(text) && !/ENCRYPTED PRIVATE KEY/.test(text)]).toEqual([name, false])
      expect([name, statSync(path).mode & 0o077]).toEqual([name, 0])
    }
    const others = ['front', 'archive', 'console'].flatMap(holder => {
      try {
        return readdirSync(join(server.config.home, 'keys', holder), { recursive: true }).map(String)
      } catch {
        return []
      }
    })
    expect(others.filter(name => /(^|\/)ca-/.test(name))).toEqual([])
    const rows = await server.sql<{ readonly key_reference: string }>(
      'SELECT key_reference FROM certkeep.ca_certificate'
    )
    for (const { key_reference: reference } of rows) expect(reference.length).toBeLessThan(100)
  })
})

interface Operation {
  readonly 'x-certkeep-permission'?: string
}

async function callJson(path: string): Promise<unknown> {
  const caller = createCaller(server)
  const answer = await caller({ path, token: mallory.token })
  await caller.close()
  return answer.json()
}
