import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENROLLMENT_FLAG } from '@app/templates'
import { offerVariant } from '../helpers/endorsed-requests.js'
import { callPlain } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'
import { makeOpenLdap, type OpenLdap } from './openldap.js'

let server: TestServer
let ldap: OpenLdap
let files: string

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'certkeep-ldap-'))
  ldap = await makeOpenLdap()
  const passwordFile = join(files, 'password')
  writeFileSync(passwordFile, ldap.password, { mode: 0o600 })
  const { url, base, bindDn } = ldap
  const own = { accountAttribute: 'uid', certificateAttribute: 'userCertificate;binary', timeoutSeconds: 2 }
  server = await startTestServer({ settings: { directory: { ldap: { url, base, bindDn, passwordFile, ...own } } } })
  const enrollmentFlags = ENROLLMENT_FLAG.PUBLISH_TO_DS
  await offerVariant(server, 'UserSignature', { name: 'Published', enrollmentFlags })
})

afterAll(async () => {
  await server.stop()
  await ldap.remove()
  rmSync(files, { recursive: true })
})

async function addEntry({ row }: TestPrincipal): Promise<string> {
  const dn = `uid=${row.accountName},${ldap.base}`
  const attributes = { uid: row.accountName, cn: row.accountName, sn: 'Person', objectClass: ['inetOrgPerson'] }
  await ldap.manage(client => client.add(dn, attributes))
  return dn
}

async function certificatesOf(dn: string): Promise<readonly Buffer[]> {
  const name = 'userCertificate;binary'
  const { searchEntries } = await ldap.manage(client =>
    client.search(dn, { scope: 'base', attributes: [name], explicitBufferAttributes: [name] })
  )
  return [searchEntries[0]?.[name] ?? []].flat() as Buffer[]
}

describe('publishing to an LDAP server', () => {
  it('is tried until the server has the certificate, and is seen to fail before', async () => {
    const user = await server.addPrincipal()
    const { serialNumber } = await submitBytes(server, user, await pkcs10Request({ template: 'Published' }))
    // The server is down, then it is there without the account, then with it.
    await using console = server.operate(await server.addOperator('auditor'))
    const failing = async (): Promise<readonly string[]> => {
      const { items } = await console.directory.publications()
      return items.map(({ account, serialNumber: serial, error }) => `${account} ${serial} ${error}`)
    }
    const expected = `${user.row.accountName} ${serialNumber ?? ''}`
    await expect.poll(failing, { timeout: 30_000 }).toEqual([expect.stringContaining(expected)])
    const metrics = (await callPlain(server.metricsUrl, { path: '/metrics' })).body.toString()
    expect(metrics).toContain('certkeep_publications{state="failing"} 1')
    await ldap.start()
    await ldap.manage(client =>
      client.add(ldap.base, { objectClass: ['dcObject', 'organization'], dc: 'corp', o: 'Corp' })
    )
    await expect
      .poll(failing, { timeout: 30_000 })
      .toEqual([expect.stringContaining('There is no entry of the account')])
    const dn = await addEntry(user)
    await expect.poll(() => certificatesOf(dn), { timeout: 60_000, interval: 500 }).toHaveLength(1)
    const [row] = await server.sql<{ certificate: Buffer }>(
      `SELECT certificate FROM certkeep.certificate WHERE serial_number = decode($1, 'hex')`,
      [serialNumber]
    )
    expect((await certificatesOf(dn))[0]?.equals(row?.certificate ?? Buffer.alloc(0))).toBe(true)
    await expect.poll(failing, { timeout: 10_000 }).toEqual([])
    // A second certificate goes beside the first.
    await submitBytes(server, user, await pkcs10Request({ template: 'Published' }))
    await expect.poll(() => certificatesOf(dn), { timeout: 30_000, interval: 200 }).toHaveLength(2)
  })
})
