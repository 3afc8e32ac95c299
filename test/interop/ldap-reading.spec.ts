import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Console, DirectoryEntry, LdapRun } from '@app/client'
import { makeIdentity } from '../helpers/cms-messages.js'
import { callPlain } from '../helpers/http-calls.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { makeOpenLdap, type OpenLdap } from './openldap.js'

let server: TestServer
let ldap: OpenLdap
let files: string
let root: Console

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'certkeep-ldap-'))
  ldap = await makeOpenLdap()
  const passwordFile = join(files, 'password')
  writeFileSync(passwordFile, ldap.password, { mode: 0o600 })
  const { url, base, bindDn } = ldap
  const read = { enabled: true, everyMinutes: 1440, domain: 'CORP' }
  const own = { accountAttribute: 'uid', timeoutSeconds: 2, read }
  server = await startTestServer({
    settings: { directory: { ldap: { url, base: `ou=people,${base}`, bindDn, passwordFile, ...own } } }
  })
  root = server.operate(await server.addOperator('administrator'))
})

afterAll(async () => {
  await root[Symbol.asyncDispose]()
  await server.stop()
  await ldap.remove()
  rmSync(files, { recursive: true })
})

/** Has the server read, once whatever is going on has ended, and gives what came of it. */
async function read(options: { readonly full?: boolean; readonly acceptRemovals?: boolean } = {}): Promise<LdapRun> {
  const isIdle = async () => (await root.directory.ldap()).runs.every(({ endedAt }) => endedAt !== undefined)
  await expect.poll(isIdle, { timeout: 30_000 }).toBe(true)
  const { id } = await root.directory.readLdap(options)
  await expect.poll(async () => (await root.directory.ldapRun(id)).endedAt, { timeout: 30_000 }).toBeDefined()
  return root.directory.ldapRun(id)
}

const people = (): string => `ou=people,${ldap.base}`

async function addPerson(uid: string, more: Readonly<Record<string, string | string[]>> = {}): Promise<string> {
  const dn = `uid=${uid.replaceAll(/[\\,+"<>;=*()]/g, character => `\\${character.charCodeAt(0).toString(16)}`)},${people()}`
  const attributes = { cn: uid, sn: 'Person', mail: `${uid}@corp.example`, objectClass: ['inetOrgPerson'], ...more }
  await ldap.manage(client => client.add(dn, { uid, ...attributes }))
  return dn
}

async function replace(dn: string, type: string, values: readonly string[]): Promise<void> {
  await ldap.modify(dn, type, values)
}

async function find(account: string): Promise<DirectoryEntry | undefined> {
  const { items } = await root.directory.list({ name: account })
  return items.find(entry => entry.account.slice(entry.account.indexOf('\\') + 1) === account)
}

const refused = async (): Promise<readonly string[]> => {
  const { items } = await root.directory.refusedEntries()
  return items.map(({ dn, error }) => `${dn}: ${error}`)
}

describe('reading accounts from an LDAP server', () => {
  it('fails where everybody sees it while the server is away', async () => {
    const run = await read()
    expect(run).toMatchObject({ state: 'failed', added: 0 })
    expect(run.error).toMatch(/ECONNREFUSED|connect/i)
    const metrics = (await callPlain(server.metricsUrl, { path: '/metrics' })).body.toString()
    expect(metrics).toContain('certkeep_ldap_reading_failing 1')
  })

  it('brings in users, computers and groups in groups, with their identity, and later only what has changed', async () => {
    await ldap.start()
    await ldap.manage(async client => {
      await client.add(ldap.base, { objectClass: ['dcObject', 'organization'], dc: 'corp', o: 'Corp' })
      await client.add(people(), { objectClass: ['organizationalUnit'], ou: 'people' })
    })
    const ann = await addPerson('ann', { displayName: 'Ann A.' })
    const bob = await addPerson('bob')
    const { certificate } = makeIdentity()
    await ldap.modify(ann, 'userCertificate;binary', [Buffer.from(certificate.raw)])
    await ldap.manage(async client => {
      await client.add(`cn=web1,${people()}`, {
        objectClass: ['device', 'ipHost'],
        cn: 'web1',
        ipHostNumber: '10.0.0.1'
      })
      await client.add(`cn=Inner,${people()}`, { objectClass: ['groupOfNames'], cn: 'Inner', member: [ann] })
      const member = [`cn=inner, ${people().toUpperCase()}`, bob, 'cn=nobody,dc=elsewhere']
      await client.add(`cn=Outer,${people()}`, { objectClass: ['groupOfNames'], cn: 'Outer', member })
    })
    expect(await read()).toMatchObject({ state: 'done', entries: 5, added: 5, refused: 0 })
    const found = await find('ann')
    expect(found).toMatchObject({
      account: 'CORP\\ann',
      displayName: 'Ann A.',
      mail: 'ann@corp.example',
      upn: 'ann@corp',
      distinguishedName: ann,
      groups: ['Domain Users', 'Inner', 'Outer']
    })
    expect(found?.guid).not.toBe(found?.id)
    expect(await find('web1')).toMatchObject({ kind: 'computer', groups: ['Domain Computers'] })
    const certificates = await server.sql(
      'SELECT 1 FROM certkeep.foreign_certificate WHERE principal_id = $1 AND certificate = $2',
      [found?.id, Buffer.from(certificate.raw)]
    )
    expect(certificates).toHaveLength(1)

    // Nothing has changed, then one attribute, then a membership; each member that was put in by hand stays.
    expect(await read()).toMatchObject({ added: 0, changed: 0 })
    await replace(ann, 'displayName', ['Ann B.'])
    const inner = await find('Inner')
    const local = await server.addPrincipal()
    await root.directory.addMember(inner?.id ?? '', local.row.id)
    await replace(`cn=Inner,${people()}`, 'member', [bob])
    expect(await read()).toMatchObject({ added: 0, changed: 2 })
    expect(await find('ann')).toMatchObject({ displayName: 'Ann B.', groups: ['Domain Users'] })
    expect((await find('bob'))?.groups).toEqual(['Domain Users', 'Inner', 'Outer'])
    expect((await root.directory.show(local.row.id)).memberOf).toContain('Inner')
    const [event] = await server.sql<{ actor: string }>(
      `SELECT actor FROM certkeep.audit_event WHERE object_id = $1 ORDER BY seq DESC LIMIT 1`,
      [found?.id]
    )
    expect(event?.actor).toBe('ldap:127.0.0.1')
  })

  it('disables who is gone, enables who is back, and leaves alone whom an operator has disabled', async () => {
    const ann = await find('ann')
    await root.directory.disable((await find('bob'))?.id ?? '')
    const left = `ou=left,${ldap.base}`
    await ldap.manage(async client => {
      await client.add(left, { objectClass: ['organizationalUnit'], ou: 'left' })
      await client.modifyDN(`uid=ann,${people()}`, `uid=ann,${left}`)
    })
    expect(await read()).toMatchObject({ disabled: 1 })
    expect((await root.directory.show(ann?.id ?? '')).disabledAt).toBeDefined()
    await ldap.manage(client => client.modifyDN(`uid=ann,${left}`, `uid=ann,${people()}`))
    expect(await read()).toMatchObject({ changed: 1, disabled: 0 })
    expect((await root.directory.show(ann?.id ?? '')).disabledAt).toBeUndefined()
    await ldap.manage(client => client.del(`uid=ann,${people()}`))
    expect(await read()).toMatchObject({ disabled: 1 })
    expect((await root.directory.show(ann?.id ?? '')).disabledAt).toBeDefined()
    await addPerson('ann')
    await replace(`uid=bob,${people()}`, 'displayName', ['Bob'])
    const run = await read()
    // The entry is another than before, so the account of the same name is not taken over by it.
    expect(run).toMatchObject({ added: 0, refused: 1 })
    expect(await refused()).toEqual([expect.stringContaining('comes from another entry')])
    expect((await root.directory.show(ann?.id ?? '')).disabledAt).toBeDefined()
    expect((await find('bob'))?.disabledAt).toBeDefined()
    await ldap.manage(client => client.del(`uid=ann,${people()}`))
    await read()
    expect(await refused()).toEqual([])
  })

  it('takes hostile names as names or not at all, and nobody over who holds a role', async () => {
    const officer = await server.addOperator('officer', { changes: { domain: 'CORP' } })
    await addPerson(officer.row.accountName, { mail: 'mallory@corp.example' })
    await addPerson('*)(uid=*', { cn: 'star' })
    await addPerson('CORP\\root', { cn: 'backslash' })
    await addPerson('Robert"); DROP TABLE certkeep.principal;--', { cn: 'bobby' })
    await ldap.manage(client =>
      client.add(`cn=Certkeep Operators,${people()}`, {
        objectClass: ['groupOfNames'],
        cn: 'Certkeep Operators',
        member: [`uid=bob,${people()}`]
      })
    )
    expect(await read()).toMatchObject({ state: 'done', added: 2, refused: 3 })
    expect((await refused()).toSorted()).toEqual([
      expect.stringContaining('Certkeep Operators'),
      expect.stringContaining('backslash'),
      expect.stringContaining('holds a role')
    ])
    expect((await find('*)(uid=*'))?.account).toBe('CORP\\*)(uid=*')
    const { mail } = await root.directory.show(officer.row.id)
    expect(mail).toBe(officer.row.mail)
    expect((await find('bob'))?.groups).not.toContain('Certkeep Operators')
  })

  it('disables nobody when much is gone at once, unless somebody accepts that', async () => {
    for (let index = 0; index < 11; index++) await addPerson(`many${index}`)
    expect(await read()).toMatchObject({ added: 11 })
    for (let index = 0; index < 11; index++) await ldap.manage(client => client.del(`uid=many${index},${people()}`))
    const run = await read({ full: true })
    expect(run).toMatchObject({ state: 'failed', disabled: 0 })
    expect(run.error).toContain('Nothing was changed')
    expect((await find('many3'))?.disabledAt).toBeUndefined()
    expect(await read({ acceptRemovals: true })).toMatchObject({ state: 'done', disabled: 11 })
  })
})
