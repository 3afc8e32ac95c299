import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { Enrollment, fetchTrustedRoot, FR_PROP_FULLRESPONSE, type CertRequest } from '@app/client'
import { decodeFullResponse, verifyFullResponse } from '@app/cmc'
import { decodeSignedData } from '@app/cms'
import { AppError, equalBytes, systemClock, toHex } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import { OID } from '@app/oid'
import { certificateUrls, distributionUrls } from '@app/platform'
import { RevocationStore } from '@app/storage'
import {
  decodeAuthorityInfoAccess,
  decodeCaVersion,
  decodeCertificate,
  decodeCertificationRequest,
  decodeCrl,
  decodeCrlDistributionPoints,
  decodePreviousCaCertificateHash,
  findExtension,
  verifyCertificateSignature,
  verifyCrlSignature,
  type Certificate,
  type CertificateList
} from '@app/x509'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CaRenewal } from '../../apps/authority/src/ca/ca-renewal.js'
import { systemEntropy } from '../../apps/cli/src/administration/administration.js'
import { EXIT } from '../../apps/cli/src/exit-code.js'
import { createProgram, run } from '../../apps/cli/src/program.js'
import { installRenewal, renewCa, withdrawRenewal } from '../../apps/cli/src/administration/renewal-actions.js'
import { administer } from '../helpers/administration.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { makeParentCa, rotateRoot, type ParentCa } from '../helpers/ca-renewal.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

/** The authority looks at its CAs again after five seconds. */
const patience = { timeout: 20_000, interval: 200 }

const isOf = (certificate: Certificate, { publicKey }: Certificate): boolean => {
  try {
    verifyCertificateSignature(certificate, publicKey)
    return true
  } catch {
    return false
  }
}

async function issueOne(client: CertRequest): Promise<Certificate> {
  await client.submit(await pkcs10Request({ template: 'UserSignature' }))
  return decodeCertificate(await client.getCertificate())
}

/** Enrolls until the authority signs with this certificate's key. */
function waitForKey(client: CertRequest, ca: Certificate): Promise<Certificate> {
  return vi.waitFor(async () => {
    const issued = await issueOne(client)
    if (!isOf(issued, ca)) throw new Error('The authority signs with another key.')
    return issued
  }, patience)
}

const fetchCrl = async ({ httpUrl }: TestServer, file: string): Promise<CertificateList> => {
  const response = await fetch(`${httpUrl}/crl/${file}.crl`)
  if (!response.ok) throw new Error(`There is no CRL ${file}.`)
  return decodeCrl(new Uint8Array(await response.arrayBuffer()))
}

/** The TLS certificate that a client with this trust accepts. */
function servedTo(server: TestServer, trust: string): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.url).port), ca: trust })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.end()
      if (certificate === undefined) reject(new Error('No certificate.'))
      else resolve(certificate)
    })
  })
}

describe('a root that is renewed with a new key', () => {
  let server: TestServer
  let client: CertRequest
  let old: Certificate
  let oldExchange: Certificate
  let enrollment: Enrollment
  let wrapped: Uint8Array
  let before: { readonly id: number; readonly issued: Certificate }
  let root: Certificate
  let newWithOld: Certificate
  let oldWithNew: Certificate
  let after: Certificate

  beforeAll(async () => {
    server = await startTestServer()
    client = server.connect(await server.addPrincipal())
    old = server.ca.certificate
    oldExchange = decodeCertificate(await client.getCACertificate({ exchange: true }))
    const issued = await issueOne(client)
    before = { id: client.requestId, issued }
    enrollment = new Enrollment({ trust: server.root, privateKeyArchiveCertificate: oldExchange.raw })
    wrapped = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    ;[root, newWithOld, oldWithNew] = (await rotateRoot(server, 'new')) as [Certificate, Certificate, Certificate]
    after = await waitForKey(client, root)
  })

  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await server.stop()
  })

  it('keeps its name and tells of its version and of the certificate before', async () => {
    const value = (oid: string) => findExtension(root, oid)?.value ?? new Uint8Array()
    expect(decodeCaVersion(value(OID.szOID_CERTSRV_CA_VERSION))).toEqual({ certificateIndex: 1, keyIndex: 1 })
    const { fingerprint } = new X509Certificate(old.raw)
    expect(toHex(decodePreviousCaCertificateHash(value(OID.szOID_CERTSRV_PREVIOUS_CERT_HASH)))).toBe(
      fingerprint.replaceAll(':', '').toLowerCase()
    )
    expect(equalBytes(root.publicKey.raw, old.publicKey.raw)).toBe(false)
    expect(equalBytes(root.subject.raw, old.subject.raw)).toBe(true)
  })

  it('has each of its keys certified with the other', () => {
    expect(isOf(newWithOld, old)).toBe(true)
    expect(equalBytes(newWithOld.publicKey.raw, root.publicKey.raw)).toBe(true)
    expect(isOf(oldWithNew, root)).toBe(true)
    expect(equalBytes(oldWithNew.publicKey.raw, old.publicKey.raw)).toBe(true)
    expect(newWithOld.notAfter <= old.notAfter).toBe(true)
  })

  it('records every certificate before it signs it, and that it was renewed', async () => {
    const rows = await server.sql<{ readonly state: string; readonly recorded: boolean }>(
      `SELECT state, position(tbs IN certificate) > 0 AS recorded FROM certkeep.self_issued_certificate`
    )
    expect(rows).toEqual(Array.from({ length: 3 }, () => ({ state: 'issued', recorded: true })))
    const events = await server.sql<{ readonly action: string }>(
      `SELECT action FROM certkeep.audit_event WHERE object_type = 'ca' AND detail ->> 'certIndex' = '1' ORDER BY seq`
    )
    expect(events.map(({ action }) => action)).toEqual(['ca.certificate_requested', 'ca.renewed'])
  })

  it('names the new addresses in what it issues', async () => {
    const { httpBaseUrl } = server.config
    const urlsOf = (certificate: Certificate) => ({
      crl: decodeCrlDistributionPoints(findExtension(certificate, OID.id_ce_cRLDistributionPoints)!.value),
      ca: decodeAuthorityInfoAccess(findExtension(certificate, OID.id_pe_authorityInfoAccess)!.value).caIssuers
    })
    const [first, second] = [0, 1].map(index =>
      distributionUrls(httpBaseUrl, { id: server.ca.id, keyIndex: index, certIndex: index })
    )
    expect(urlsOf(before.issued)).toEqual({ crl: [first?.crl], ca: [first?.certificate] })
    expect(urlsOf(after)).toEqual({ crl: [second?.crl], ca: [second?.certificate] })
    const served = await fetch(`${server.httpUrl}/ca/${server.ca.id}-1.cer`)
    expect(equalBytes(new Uint8Array(await served.arrayBuffer()), root.raw)).toBe(true)
  })

  it('publishes a CRL of each key, and lists what was revoked on that of its key alone', async () => {
    await revokeCertificateOf(server, before.id)
    const { id } = server.ca
    const listed = await vi.waitFor(async () => {
      server.running.runtime.wakeups.nudge('crl')
      const crl = await fetchCrl(server, `${id}-0`)
      expect(crl.entries.map(({ serialHex }) => serialHex)).toContain(before.issued.serialHex)
      return crl
    }, patience)
    verifyCrlSignature(listed, old.publicKey)
    const other = await fetchCrl(server, `${id}-1`)
    verifyCrlSignature(other, root.publicKey)
    expect(other.entries.map(({ serialHex }) => serialHex)).not.toContain(before.issued.serialHex)
  })

  it('hands out an exchange certificate of the new key', async () => {
    const exchange = decodeCertificate(await client.getCACertificate({ exchange: true }))
    expect(isOf(exchange, root)).toBe(true)
    expect(exchange.serialHex).not.toBe(oldExchange.serialHex)
  })

  it('opens what was wrapped to the exchange certificate of the old key', async () => {
    await client.submit(wrapped)
    expect(client.isIssued).toBe(true)
    const accepted = await enrollment.acceptResponse(await client.getFullResponseProperty(FR_PROP_FULLRESPONSE))
    expect(isOf(decodeCertificate(accepted.certificate), root)).toBe(true)
  })

  it('is accepted by a client that pinned the old root, exchange certificate, response and listener alike', async () => {
    await using fresh = server.connect(await server.addPrincipal())
    const { certificates } = await fresh.getAuthority()
    const exchange = await fresh.getCACertificate({ exchange: true })
    const settings = { trust: server.root, privateKeyArchiveCertificate: exchange, chain: certificates }
    const pinned = new Enrollment(settings)
    await fresh.submit(await pinned.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } }))
    const accepted = await pinned.acceptResponse(await fresh.getFullResponseProperty(FR_PROP_FULLRESPONSE))
    expect(isOf(decodeCertificate(accepted.certificate), root)).toBe(true)
    expect(accepted.chain.map(der => decodeCertificate(der).serialHex)).toEqual([root.serialHex])
  })

  it('is not accepted by who trusts another root of the same name', async () => {
    const { certificate: stranger } = await makeParentCa(`CN=${server.ca.name}`)
    const other = new Enrollment({ trust: encodePem('CERTIFICATE', stranger.raw) })
    await client.submit(await other.createRequest({ type: 'pkcs10', template: { name: 'UserSignature' } }))
    const response = await client.getFullResponse()
    await expect(other.acceptResponse(response)).rejects.toMatchObject({ code: 'response_signature' })
  })

  it('signs every response with the new key', async () => {
    await client.submit(await pkcs10Request({ template: 'WebServer' }))
    const response = decodeFullResponse(await client.getFullResponse())
    verifyFullResponse(response, { caCertificate: root })
    expect(response.certificates.map(({ serialHex }) => serialHex)).toContain(newWithOld.serialHex)
  })

  it('serves TLS with the new key, to who trusts the old root or the new', async () => {
    const trustNew = encodePem('CERTIFICATE', root.raw)
    const served = await vi.waitFor(() => servedTo(server, trustNew), { timeout: 30_000, interval: 500 })
    expect(served.verify(new X509Certificate(root.raw).publicKey)).toBe(true)
    expect((await servedTo(server, server.root)).fingerprint256).toBe(served.fingerprint256)
    const { fingerprint256 } = new X509Certificate(root.raw)
    expect(await fetchTrustedRoot(server.url, fingerprint256)).toBe(new X509Certificate(root.raw).toString())
  })

  it('tells of all its certificates', async () => {
    const told = (name: string, index: number) => client.getCAProperty(name, index)
    const bytes = async (name: string, index: number) => Buffer.from((await told(name, index)) as Uint8Array)
    expect(await client.getCAProperty('CASIGCERTCOUNT')).toBe(2)
    for (const [index, certificate] of [old, root].entries()) {
      expect(await bytes('CASIGCERT', index)).toEqual(Buffer.from(certificate.raw))
      const [chain] = decodeSignedData(await bytes('CASIGCERTCHAIN', index)).certificates
      expect(Buffer.from(chain as Uint8Array)).toEqual(Buffer.from(certificate.raw))
      expect(await told('CACERTSTATE', index)).toBe(3)
      expect(await told('CACERTSTATUSCODE', index)).toBe(0)
      expect(await told('CACERTVERSION', index)).toBe(index * 0x10001)
    }
    expect(await bytes('CASIGCERT', -1)).toEqual(Buffer.from(root.raw))
    expect(await bytes('CAFORWARDCROSSCERT', 1)).toEqual(Buffer.from(newWithOld.raw))
    expect(await bytes('CABACKWARDCROSSCERT', 1)).toEqual(Buffer.from(oldWithNew.raw))
    expect(await told('CAFORWARDCROSSCERTSTATE', 1)).toBe(3)
    expect(await told('CABACKWARDCROSSCERTSTATE', -1)).toBe(3)
    await expect(told('CAFORWARDCROSSCERT', 0)).rejects.toMatchObject({ code: 'property_empty' })
    await expect(told('CASIGCERT', 2)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await told('CERTCDPURLS', 0)).not.toBe(await told('CERTCDPURLS', 1))
  })

  it('is renewed with the same key without a cross certificate, and its exchange certificate stays', async () => {
    const exchange = await client.getCACertificate({ exchange: true })
    const renewed = await command('ca', 'rotate', '--ca', server.ca.name, '--same-key', '--years', '7')
    expect(renewed.code).toBeUndefined()
    const certificates = decodePem(renewed.stdout).map(({ bytes }) => decodeCertificate(bytes))
    expect(certificates).toHaveLength(1)
    const [again] = certificates as [Certificate]
    expect(equalBytes(again.publicKey.raw, root.publicKey.raw)).toBe(true)
    expect(await client.getCAProperty('CACERTVERSION', -1)).toBe(0x10002)
    expect(equalBytes(await client.getCACertificate({ exchange: true }), exchange)).toBe(true)
    await vi.waitFor(async () => {
      await client.submit(await pkcs10Request({ template: 'UserSignature' }))
      const response = decodeFullResponse(await client.getFullResponse())
      verifyFullResponse(response, { caCertificate: again })
    }, patience)
    const contradiction = await command('ca', 'rotate', '--ca', server.ca.name, '--same-key', '--key', 'p-384')
    expect(contradiction).toMatchObject({ code: EXIT.usage, stdout: '' })
    const told = JSON.parse((await command('ca', 'info', '--output', 'json')).stdout) as readonly object[]
    expect(told).toMatchObject([{ name: server.ca.name, certIndex: 2, keyIndex: 1, awaits: null }])
  })

  /** A command of the local command line, on the installation of the server. */
  async function command(...argv: readonly string[]): Promise<{ readonly code: unknown; readonly stdout: string }> {
    let stdout = ''
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation(text => ((stdout += String(text)), true)),
      vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    ]
    try {
      const code = await administer(server, () => run(createProgram(), ['node', 'certkeep', ...argv]))
      return { code, stdout }
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  }
})

describe('a renewal under load', () => {
  it('loses none of twenty enrollments, and each is accepted with the trust of before', async () => {
    const server = await startTestServer()
    try {
      const clients = await Promise.all(
        Array.from({ length: 20 }, async () => server.connect(await server.addPrincipal()))
      )
      const enrollOne = async (client: CertRequest): Promise<Certificate> => {
        const { certificates } = await client.getAuthority()
        const exchange = await client.getCACertificate({ exchange: true })
        const settings = { trust: server.root, privateKeyArchiveCertificate: exchange, chain: certificates }
        const enrollment = new Enrollment(settings)
        const options = { type: 'cmc', template: { name: 'UserEncryption' }, key: 'rsa-2048' } as const
        await client.submit(await enrollment.createRequest(options))
        const accepted = await enrollment.acceptResponse(await client.getFullResponseProperty(FR_PROP_FULLRESPONSE))
        return decodeCertificate(accepted.certificate)
      }
      const [renewed, ...issued] = await Promise.all([rotateRoot(server, 'new'), ...clients.map(enrollOne)])
      const roots = [server.ca.certificate, ...renewed.slice(0, 1)]
      expect(issued.filter(certificate => roots.some(root => isOf(certificate, root)))).toHaveLength(20)
      const [rows] = await server.sql<{ readonly issued: number; readonly other: number }>(
        `SELECT count(*) FILTER (WHERE state = 'issued')::int AS issued,
                count(*) FILTER (WHERE state <> 'issued')::int AS other
         FROM certkeep.request WHERE template_name = 'UserEncryption'`
      )
      expect(rows).toEqual({ issued: 20, other: 0 })
      await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
    } finally {
      await server.stop()
    }
  })
})

describe('a renewal that is interrupted', () => {
  it('is completed by the next one, with the key that was recorded, and what was reserved is given up', async () => {
    const server = await startTestServer()
    try {
      const { installation } = server.running
      const keys = installation.keys('authority')
      const database = await server.database.open('owner')
      let signatures = 0
      const failing = (limit: number): CaRenewal =>
        new CaRenewal({
          database,
          clock: systemClock,
          entropy: systemEntropy,
          addressesOf: ({ caId, ...indices }) =>
            certificateUrls(server.config, distributionUrls(server.config.httpBaseUrl, { id: caId, ...indices })),
          keys: {
            ...keys,
            generate: (...parameters) => keys.generate(...parameters),
            signer: async reference => {
              const signer = await keys.signer(reference)
              const sign = (data: Uint8Array): Promise<Uint8Array> => {
                if (signatures++ >= limit) throw new AppError('unavailable', 'The machine went off.')
                return signer.sign(data)
              }
              return { publicKey: signer.publicKey, scheme: signer.scheme, sign }
            }
          }
        })
      const settings = { key: 'new', actor: 'test', validityYears: 5 } as const
      for (const limit of [0, 1]) {
        signatures = 0
        await expect(failing(limit).renewRoot(server.ca.name, settings)).rejects.toMatchObject({ code: 'unavailable' })
      }
      const kept = readdirSync(join(server.config.home, 'keys', 'authority')).length
      signatures = 0
      const renewed = await failing(Infinity).renewRoot(server.ca.name, settings)
      expect(renewed).toMatchObject({ certIndex: 1, keyIndex: 1 })
      expect(readdirSync(join(server.config.home, 'keys', 'authority'))).toHaveLength(kept)
      const states = await server.sql<{ readonly state: string; readonly count: number }>(
        'SELECT state, count(*)::int AS count FROM certkeep.self_issued_certificate GROUP BY state ORDER BY state'
      )
      expect(states).toEqual([
        { state: 'abandoned', count: 3 },
        { state: 'issued', count: 3 }
      ])
      // Two roots that may have been signed with the new key, and one for it that the old may have signed.
      const listed = async (key: number) => (await fetchCrl(server, `${server.ca.id}-${key}`)).entries.length
      const nudge = () => server.running.runtime.wakeups.nudge('crl')
      const { dataSource } = await server.database.open('console')
      await new RevocationStore(dataSource).orderCrl(server.ca.id, { actor: 'test' }, new Date())
      await vi.waitFor(async () => (nudge(), expect([await listed(0), await listed(1)]).toEqual([1, 2])), patience)
    } finally {
      await server.stop()
    }
  })
})

describe('a subordinate CA', () => {
  let server: TestServer
  let parent: ParentCa
  let directory: string

  beforeAll(async () => {
    parent = await makeParentCa()
    server = await startTestServer({ caName: 'Issuing CA', certify: request => parent.certify(request) })
    directory = mkdtempSync(join(tmpdir(), 'certkeep-renewal-'))
  })

  afterAll(async () => {
    rmSync(directory, { recursive: true })
    await server.stop()
  })

  const request = async (key: 'same' | 'new' | 'p-384') => {
    const { pem } = await administer(server, () => renewCa(undefined, { key, years: 5 }))
    return decodeCertificationRequest(decodePem(pem)[0]?.bytes ?? new Uint8Array())
  }
  const install = (certificates: readonly Uint8Array[]) => {
    const file = join(directory, 'renewed.pem')
    writeFileSync(file, certificates.map(der => encodePem('CERTIFICATE', der)).join(''))
    return administer(server, () => installRenewal(undefined, file))
  }

  it('asks for the same until it has its certificate or takes its request back', async () => {
    const first = await request('new')
    expect(equalBytes((await request('new')).raw, first.raw)).toBe(true)
    await expect(request('same')).rejects.toMatchObject({ code: 'conflict' })
    await administer(server, () => withdrawRenewal(undefined))
    await expect(administer(server, () => withdrawRenewal(undefined))).rejects.toMatchObject({ code: 'conflict' })
    const second = await request('same')
    expect(equalBytes(second.publicKey.raw, server.ca.certificate.publicKey.raw)).toBe(true)
    await administer(server, () => withdrawRenewal(undefined))
  })

  it('goes on issuing while it waits, and follows its parent’s certificate then', async () => {
    await using client = server.connect(await server.addPrincipal())
    const asked = await request('p-384')
    expect(isOf(await issueOne(client), server.ca.certificate)).toBe(true)
    await expect(install(await parent.certify(asked.raw, 'CN=Another CA'))).rejects.toMatchObject({
      code: 'ca_certificate_invalid'
    })
    const certificates = await parent.certify(asked.raw)
    expect(await install([...certificates, server.ca.certificate.raw])).toContain('Installed')
    const renewed = decodeCertificate(certificates[0] as Uint8Array)
    await waitForKey(client, renewed)
    expect(await client.getCAProperty('CACERTVERSION', -1)).toBe(0x10001)
    await expect(install(certificates)).rejects.toMatchObject({ code: 'conflict' })
  })
})
