import type { CertRequest } from '@app/client'
import type { KeySpec } from '@app/keys'
import { decodeCertificate, type Certificate } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { rotateRoot } from '../helpers/ca-renewal.js'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

async function issueOne(client: CertRequest): Promise<Certificate> {
  await client.submit(await pkcs10Request({ template: 'UserSignature' }))
  return decodeCertificate(await client.getCertificate())
}

/** The CRL of one of the CA's keys, once it lists so many serial numbers, as PEM in a file. */
function crlOf({ httpUrl, ca, running }: TestServer, keyIndex: number, entries: number): Promise<string> {
  return vi.waitFor(
    async () => {
      running.runtime.wakeups.nudge('crl')
      const response = await fetch(`${httpUrl}/crl/${ca.id}-${keyIndex}.pem`)
      const file = await directory.put(`${keyIndex}.crl`, await response.text())
      const text = (await runOpenssl(['crl', '-in', file, '-noout', '-text'])).toString()
      if (text.split('Serial Number:').length - 1 !== entries) throw new Error('The CRL is not the one yet.')
      return file
    },
    { timeout: 30_000, interval: 300 }
  )
}

describe.each<readonly [KeySpec, KeySpec]>([
  ['rsa-2048', 'rsa-3072'],
  ['p-256', 'p-384']
])('a root whose key of the kind %s becomes one of the kind %s', (from, to) => {
  let server: TestServer
  const files: Record<'oldRoot' | 'root' | 'newWithOld' | 'oldWithNew' | 'before' | 'revoked' | 'after', string> = {
    oldRoot: '',
    root: '',
    newWithOld: '',
    oldWithNew: '',
    before: '',
    revoked: '',
    after: ''
  }

  beforeAll(async () => {
    server = await startTestServer({ key: from })
    await using client = server.connect(await server.addPrincipal())
    const put = async (name: keyof typeof files, certificate: Certificate | undefined): Promise<void> => {
      files[name] = await directory.putCertificates(`${from}-${name}.pem`, certificate?.raw ?? new Uint8Array())
    }
    await put('oldRoot', server.ca.certificate)
    await put('before', await issueOne(client))
    await put('revoked', await issueOne(client))
    await revokeCertificateOf(server, client.requestId)
    const [root, newWithOld, oldWithNew] = await rotateRoot(server, to)
    await put('root', root)
    await put('newWithOld', newWithOld)
    await put('oldWithNew', oldWithNew)
    // The authority looks at its CAs again after five seconds.
    await new Promise(resolve => setTimeout(resolve, 5500))
    await put('after', await issueOne(client))
  })

  afterAll(() => server.stop())

  const verify = async (leaf: string, trust: string, ...more: readonly string[]): Promise<string> =>
    (await runOpenssl(['verify', '-x509_strict', '-CAfile', trust, ...more, leaf])).toString()

  it('is verified by who trusts the old root, by way of the old key’s certificate for the new', async () => {
    expect(await verify(files.before, files.oldRoot)).toContain(': OK')
    expect(await verify(files.after, files.oldRoot, '-untrusted', files.newWithOld)).toContain(': OK')
    await expect(verify(files.after, files.oldRoot)).rejects.toThrow(/unable to get local issuer certificate/)
  })

  it('is verified by who trusts the new root, and so is what the old key signed', async () => {
    expect(await verify(files.after, files.root)).toContain(': OK')
    expect(await verify(files.before, files.root, '-untrusted', files.oldWithNew)).toContain(': OK')
    await expect(verify(files.before, files.root)).rejects.toThrow(/unable to get local issuer certificate/)
  })

  it('has the certificates of each key checked against the CRL of that key, all along the chain', async () => {
    const crls = await Promise.all([crlOf(server, 0, 1), crlOf(server, 1, 0)])
    const all = await directory.put(
      'all.crl',
      (await Promise.all(crls.map(file => directory.read(file.split('/').at(-1) as string)))).join('')
    )
    const checked = ['-crl_check_all', '-CRLfile', all]
    expect(await verify(files.before, files.oldRoot, ...checked)).toContain(': OK')
    expect(await verify(files.after, files.root, ...checked)).toContain(': OK')
    expect(await verify(files.after, files.oldRoot, '-untrusted', files.newWithOld, ...checked)).toContain(': OK')
    expect(await verify(files.before, files.root, '-untrusted', files.oldWithNew, ...checked)).toContain(': OK')
    for (const path of [[files.oldRoot], [files.root, '-untrusted', files.oldWithNew]] as const) {
      const [trust, ...between] = path
      await expect(verify(files.revoked, trust, ...between, ...checked)).rejects.toThrow(/certificate revoked/)
    }
    // A CRL of the other key is none for this certificate.
    await expect(verify(files.after, files.root, '-crl_check', '-CRLfile', crls[0])).rejects.toThrow(
      /get certificate CRL/
    )
  })

  it('has the responder of each key answer for the certificates of that key', async () => {
    const answer = async (issuer: string, key: number, certificate: string): Promise<string> => {
      const url = `${server.httpUrl}/ocsp/${server.ca.id}-${key}`
      const asked = ['-issuer', issuer, '-cert', certificate, '-url', url, '-CAfile', issuer]
      return (await runOpenssl([['ocsp', '-sha256', ...asked]])).toString()
    }
    await vi.waitFor(async () => expect(await answer(files.root, 1, files.after)).toContain(': good'), {
      timeout: 30_000,
      interval: 500
    })
    expect(await answer(files.oldRoot, 0, files.before)).toContain(': good')
    expect(await answer(files.oldRoot, 0, files.revoked)).toContain(': revoked')
  })

  it('serves TLS to clients of OpenSSL that trust the old root, and to those that trust the new', async () => {
    const address = server.url.replace('https://', '')
    const connects = (trust: string) =>
      runOpenssl([
        ['s_client', '-connect', address, '-CAfile', trust, '-verify_return_error', '-verify_ip', '127.0.0.1', '-brief']
      ])
    await vi.waitFor(() => connects(files.root), { timeout: 30_000, interval: 500 })
    expect((await connects(files.oldRoot)).length).toBe(0)
  })
})
