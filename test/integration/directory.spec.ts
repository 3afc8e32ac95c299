import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Console } from '@app/client'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let admin: TestPrincipal
let root: Console
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  admin = await server.addOperator('administrator')
  root = server.operate(admin)
  call = createCaller(server)
})

afterAll(async () => {
  await root[Symbol.asyncDispose]()
  await call.close()
  await server.stop()
})

async function idOf(group: string): Promise<string> {
  const { items } = await root.directory.list({ kind: 'group', name: group })
  const found = items.find(({ account }) => account === `CERTKEEP\\${group}`)
  if (found === undefined) throw new Error(`There is no group ${group}.`)
  return found.id
}

const user = { kind: 'user', domain: 'CORP' } as const

describe('an account', () => {
  it('is added, found, changed, disabled and enabled, each with one audit event', async () => {
    const added = await root.directory.add({ ...user, account: 'dora', mail: 'dora@corp.example', groups: [] })
    expect(added).toMatchObject({ account: 'CORP\\dora', upn: 'dora@corp', groups: ['Domain Users'] })
    for (const query of [{ name: 'DORA@corp.ex' }, { name: 'dor' }, { domain: 'corp', group: 'domain users' }]) {
      expect((await root.directory.list(query)).items.map(({ id }) => id)).toContain(added.id)
    }
    const changed = await root.directory.change(added.id, { displayName: 'Dora D.', mail: null })
    expect(changed.displayName).toBe('Dora D.')
    expect(changed).not.toHaveProperty('mail')
    await root.directory.disable(added.id)
    await expect(root.directory.disable(added.id)).rejects.toMatchObject({ code: 'conflict' })
    expect((await root.directory.list({ disabled: true })).items.map(({ id }) => id)).toEqual([added.id])
    await root.directory.enable(added.id)
    const events = await server.sql<{ action: string }>(
      `SELECT action FROM certkeep.audit_event WHERE object_type = 'principal' AND object_id = $1 ORDER BY seq`,
      [added.id]
    )
    expect(events.map(({ action }) => action)).toEqual([
      'principal.added',
      'principal.changed',
      'principal.disabled',
      'principal.enabled'
    ])
  })

  it('gets the next identifier under its domain’s, and never one that was given out', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `many${index}`)
    const added = await Promise.all(names.map(account => root.directory.add({ ...user, domain: 'Many', account })))
    const parts = added.map(({ sid }) => /^(S-1-5-21-\d+-\d+-\d+)-(\d+)$/.exec(sid)?.slice(1) ?? [])
    expect(new Set(parts.map(([domain]) => domain)).size).toBe(1)
    expect(new Set(parts.map(([, rid]) => rid)).size).toBe(10)
    const [domain = ''] = parts[0] ?? []
    await root.directory.add({ ...user, domain: 'Many', account: 'guest', sid: `${domain}-2000` })
    const next = await root.directory.add({ ...user, domain: 'MANY', account: 'next' })
    expect(next.sid).toBe(`${domain}-2001`)
    const taken = { ...user, domain: 'Many', account: 'taken', sid: `${domain}-2000` }
    await expect(root.directory.add(taken)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('that holds a role keeps the names by which its holder signs in', async () => {
    const officer = await server.addOperator('officer')
    const { upn } = admin.row
    await expect(root.directory.change(officer.row.id, { upn })).rejects.toMatchObject({ code: 'conflict' })
    await root.directory.change(officer.row.id, { displayName: 'An Officer' })
  })

  it('of the last administrator is not disabled', async () => {
    await expect(root.directory.disable(admin.row.id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('shows its tokens without the tokens, and loses one that is revoked at once', async () => {
    const bob = await server.addPrincipal()
    const { items } = await root.directory.tokens(bob.row.id)
    expect(items).toMatchObject([{ id: bob.credentialId, scopes: ['enroll'] }])
    expect(JSON.stringify(items)).not.toContain(bob.token)
    const path = `/api/v1/cas/${encodeURIComponent(server.ca.name)}`
    expect((await call({ path, token: bob.token })).status).toBe(200)
    await root.directory.revokeToken(bob.row.id, bob.credentialId)
    expect((await call({ path, token: bob.token })).status).toBe(401)
    const other = await server.addPrincipal()
    await expect(root.directory.revokeToken(bob.row.id, other.credentialId)).rejects.toMatchObject({
      code: 'not_found'
    })
  })
})

describe('a list of the directory', () => {
  it('comes page by page, each account once', async () => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await root.directory.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.items.length).toBeLessThanOrEqual(3)
      seen.push(...page.items.map(({ account }) => account))
      cursor = page.next
    } while (cursor !== undefined)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(['CERTKEEP\\Domain Users', 'CERTKEEP\\Domain Computers']))
    expect(seen).not.toContain('CERTKEEP\\SYSTEM')
  })
})

describe('a group', () => {
  it('counts for its members, through others, in who may enroll', async () => {
    const outer = await root.directory.add({ kind: 'group', account: 'Enrollees' })
    const inner = await root.directory.add({ kind: 'group', account: 'Enrollees North' })
    const member = await server.addPrincipal()
    await root.directory.addMember(outer.id, inner.id)
    await root.directory.addMember(inner.id, member.row.id)
    await root.directory.addMember(inner.id, member.row.id)
    expect((await root.directory.show(member.row.id)).groups).toEqual(['Domain Users', 'Enrollees', 'Enrollees North'])
    expect((await root.directory.show(member.row.id)).memberOf).toEqual(['Domain Users', 'Enrollees North'])
    expect((await root.directory.members(outer.id)).items.map(({ id }) => id)).toEqual([inner.id])
    await expect(root.directory.addMember(inner.id, outer.id)).rejects.toMatchObject({ code: 'conflict' })

    // Who may enroll at the CA: members of the outer group, and nobody else.
    await root.enrollmentRights.setEnrollGroups(server.ca.name, ['enrollees'])
    try {
      await using client = server.connect(member)
      await client.submit(await pkcs10Request({ template: 'UserSignature' }))
      expect(client.status.dispositionName).toBe('issued')
      await root.directory.removeMember(outer.id, inner.id)
      await client.submit(await pkcs10Request({ template: 'UserSignature' }))
      expect(client.status).toMatchObject({
        dispositionName: 'denied',
        lastStatus: '0x80094011',
        statusSymbol: 'CERTSRV_E_ENROLL_DENIED'
      })
    } finally {
      await root.enrollmentRights.setEnrollGroups(server.ca.name, null)
    }
    await using client = server.connect(member)
    await client.submit(await pkcs10Request({ template: 'UserSignature' }))
    expect(client.status.dispositionName).toBe('issued')
  })

  it('of operators is changed by roles alone', async () => {
    const operators = await idOf('Certkeep Operators')
    const bob = await server.addPrincipal()
    const group = await root.directory.add({ kind: 'group', account: 'Outsiders' })
    for (const change of [
      () => root.directory.addMember(operators, bob.row.id),
      () => root.directory.addMember(operators, group.id),
      () => root.directory.addMember(group.id, operators),
      () => root.directory.removeMember(operators, admin.row.id),
      () => root.directory.disable(operators),
      () => root.directory.add({ ...user, account: 'sneak', groups: ['certkeep operators'] })
    ]) {
      await expect(change()).rejects.toMatchObject({ code: 'conflict' })
    }
  })

  it('that is not there lets nobody in anywhere', async () => {
    await expect(root.enrollmentRights.setEnrollGroups(server.ca.name, ['Nobody'])).rejects.toMatchObject({
      code: 'not_found'
    })
    await expect(root.directory.add({ ...user, account: 'x', groups: ['Nobody'] })).rejects.toMatchObject({
      code: 'not_found'
    })
  })
})

describe('an enrollment agent', () => {
  it('is let ask for what it is told, by another administrator than itself, until that is revoked', async () => {
    const agent = await server.addPrincipal()
    const account = `EXAMPLE\\${agent.row.accountName}`
    const scope = { account, template: 'UserSignature', subjectGroup: 'Domain Users' }
    const granted = await root.enrollmentRights.grantAgent(scope)
    expect(granted).toMatchObject(scope)
    await expect(root.enrollmentRights.grantAgent({ ...scope, template: 'usersignature' })).rejects.toMatchObject({
      code: 'conflict'
    })
    const self = `EXAMPLE\\${admin.row.accountName}`
    await expect(root.enrollmentRights.grantAgent({ ...scope, account: self })).rejects.toMatchObject({
      code: 'access_denied'
    })
    expect((await root.enrollmentRights.listAgents({ account })).items).toEqual([granted])
    await root.enrollmentRights.revokeAgent(granted.id)
    expect((await root.enrollmentRights.listAgents({ account })).items).toEqual([])
  })
})
