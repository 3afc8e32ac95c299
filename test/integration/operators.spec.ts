import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Console } from '@app/client'
import { GroupStore } from '@app/storage'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { startTestServer, type TestCa, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let otherCa: TestCa
let admin: TestPrincipal
let root: Console
let call: HttpCaller

beforeAll(async () => {
  server = await startTestServer()
  otherCa = await server.addCa('Other CA')
  admin = await server.addOperator('administrator')
  root = server.operate(admin)
  call = createCaller(server)
})

afterAll(async () => {
  await root[Symbol.asyncDispose]()
  await call.close()
  await server.stop()
})

const nameOf = ({ row }: TestPrincipal): string => `${row.domain}\\${row.accountName}`

async function groupNamesOf(principal: TestPrincipal): Promise<readonly string[]> {
  const [row] = await server.sql<{ names: string[] }>(
    'SELECT group_names AS names FROM certkeep.principal WHERE id = $1',
    [principal.row.id]
  )
  return row?.names ?? []
}

describe('a role', () => {
  it('is given by an administrator, opens what it permits, and closes at once when it is revoked', async () => {
    const bob = await server.addPrincipal({}, { scopes: ['console'] })
    await using console = server.operate(bob)
    await expect(console.operators.list()).rejects.toMatchObject({ code: 'access_denied' })

    const held = await root.operators.grant({ account: nameOf(bob), role: 'auditor' })
    expect(held).toMatchObject({ account: nameOf(bob), role: 'auditor', grantedBy: nameOf(admin) })
    const { items } = await console.operators.list({ account: nameOf(bob) })
    expect(items).toEqual([held])
    expect(await groupNamesOf(bob)).toContain('Certkeep Operators')

    await root.operators.revoke(held.id)
    await expect(console.operators.list()).rejects.toMatchObject({ code: 'access_denied' })
    expect(await groupNamesOf(bob)).toEqual(['Domain Users'])
    const { items: kept } = await root.operators.list({ account: nameOf(bob), revoked: true })
    expect(kept).toMatchObject([{ id: held.id, revokedBy: nameOf(admin) }])
    await expect(root.operators.revoke(held.id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('leaves one audit event when it is given and one when it is taken away', async () => {
    const carol = await server.addPrincipal()
    const held = await root.operators.grant({ account: nameOf(carol), role: 'recovery_agent' })
    await root.operators.revoke(held.id)
    const events = await server.sql(
      `SELECT actor, action FROM certkeep.audit_event WHERE object_type = 'role_assignment' AND object_id = $1 ORDER BY seq`,
      [held.id]
    )
    expect(events).toEqual([
      { actor: nameOf(admin), action: 'role_assignment.granted' },
      { actor: nameOf(admin), action: 'role_assignment.revoked' }
    ])
  })

  it('is never given to oneself, and that of the last administrator never taken away', async () => {
    await expect(root.operators.grant({ account: nameOf(admin), role: 'recovery_agent' })).rejects.toMatchObject({
      code: 'access_denied'
    })
    const [own] = (await root.operators.list({ role: 'administrator' })).items
    await expect(root.operators.revoke(own?.id ?? '')).rejects.toMatchObject({ code: 'conflict' })

    const second = await server.addOperator('administrator')
    await root.operators.revoke(own?.id ?? '')
    await using other = server.operate(second)
    await other.operators.grant({ account: nameOf(admin), role: 'administrator' })
    const [theirs] = (await root.operators.list({ account: nameOf(second) })).items
    await root.operators.revoke(theirs?.id ?? '')
  })

  it('of an administrator stays with one of them when two revoke each other at once', async () => {
    const pair = [await server.addOperator('administrator'), await server.addOperator('administrator')] as const
    const [mine] = (await root.operators.list({ account: nameOf(admin) })).items
    await using first = server.operate(pair[0])
    await using second = server.operate(pair[1])
    await first.operators.revoke(mine?.id ?? '')
    const ids = await Promise.all(
      pair.map(async each => (await first.operators.list({ account: nameOf(each) })).items[0])
    )
    const outcomes = await Promise.allSettled([
      first.operators.revoke(ids[1]?.id ?? ''),
      second.operators.revoke(ids[0]?.id ?? '')
    ])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const left = await server.sql<{ id: string }>(
      `SELECT principal_id AS id FROM certkeep.role_assignment WHERE role = 'administrator' AND revoked_at IS NULL`
    )
    expect(left).toHaveLength(1)
    const survivor = pair.find(({ row }) => row.id === left[0]?.id)
    if (survivor === undefined) throw new Error('Nobody is left.')
    await using rescuer = server.operate(survivor)
    await rescuer.operators.grant({ account: nameOf(admin), role: 'administrator' })
  })

  it('beside one that excludes it is not given', async () => {
    const officer = await server.addOperator('officer')
    const refused = root.operators.grant({ account: nameOf(officer), role: 'administrator' })
    await expect(refused).rejects.toMatchObject({ code: 'role_conflict' })
    await expect(
      root.operators.grant({ account: nameOf(officer), role: 'auditor', ca: otherCa.name })
    ).rejects.toMatchObject({ code: 'role_conflict' })
  })

  it('that excludes another one leaves nothing that its holder may do, with CERTSRV_E_ROLECONFLICT', async () => {
    const eve = await server.addOperator('administrator')
    await server.sql(
      `INSERT INTO certkeep.role_assignment (id, principal_id, role, granted_by, granted_at)
       VALUES (gen_random_uuid(), $1, 'officer', 'test', now())`,
      [eve.row.id]
    )
    const answer = await call({ path: '/api/v1/operators', token: eve.token })
    expect(answer.status).toBe(403)
    expect(answer.json<ToldProblem>()).toMatchObject({ code: 'role_conflict', hresult: '0x80094008' })
    await server.sql(
      `UPDATE certkeep.role_assignment SET revoked_by = 'test', revoked_at = now() WHERE principal_id = $1`,
      [eve.row.id]
    )
  })

  it('at a CA lets its holder give roles at that CA only', async () => {
    const local = await server.addOperator('administrator', { caId: otherCa.id })
    const bob = await server.addPrincipal()
    await using console = server.operate(local)
    await console.operators.grant({ account: nameOf(bob), role: 'officer', ca: otherCa.name })
    for (const ca of [server.ca.name, undefined]) {
      const grant = { account: nameOf(bob), role: 'operator', ...(ca === undefined ? {} : { ca }) } as const
      await expect(console.operators.grant(grant)).rejects.toMatchObject({ code: 'access_denied' })
    }
    const at = await root.operators.grant({ account: nameOf(bob), role: 'recovery_agent', ca: server.ca.name })
    await expect(console.operators.revoke(at.id)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a token', () => {
  it('without the scope "console" opens nothing of the console', async () => {
    const officer = await server.addOperator('auditor')
    await server.sql(`UPDATE certkeep.credential SET scopes = '{enroll}' WHERE id = $1`, [officer.credentialId])
    const answer = await call({ path: '/api/v1/operators', token: officer.token })
    expect([answer.status, answer.json<ToldProblem>().code]).toEqual([403, 'access_denied'])
  })

  it('that is bound to a CA narrows its holder’s roles to that CA', async () => {
    const bound = await server.addPrincipal({}, { scopes: ['console'], caId: otherCa.id })
    await root.operators.grant({ account: nameOf(bound), role: 'administrator' })
    const bob = await server.addPrincipal()
    await using console = server.operate(bound)
    await expect(console.operators.grant({ account: nameOf(bob), role: 'auditor' })).rejects.toMatchObject({
      code: 'access_denied'
    })
    await console.operators.grant({ account: nameOf(bob), role: 'auditor', ca: otherCa.name })
  })
})

describe('groups', () => {
  it('nest, follow every change, and never contain themselves', async () => {
    const groups = new GroupStore((await server.database.open('console')).dataSource)
    const because = { actor: 'test' }
    const now = new Date()
    const [all, sales, north] = await Promise.all(
      ['Everybody', 'Sales', 'Sales North'].map(name => groups.add(name, because, now))
    )
    if (all === undefined || sales === undefined || north === undefined) throw new Error('unreachable')
    const alice = await server.addPrincipal({ groupNames: ['sales north'] })
    expect(await groupNamesOf(alice)).toEqual(['Sales North'])
    await groups.addMember({ groupId: all, memberId: sales }, because, now)
    await groups.addMember({ groupId: sales, memberId: north }, because, now)
    expect(await groupNamesOf(alice)).toEqual(['Everybody', 'Sales', 'Sales North'])
    for (const membership of [
      { groupId: north, memberId: all },
      { groupId: sales, memberId: sales }
    ]) {
      await expect(groups.addMember(membership, because, now)).rejects.toMatchObject({ code: 'conflict' })
    }
    await groups.setDisabled(sales, true, because, now)
    expect(await groupNamesOf(alice)).toEqual(['Sales North'])
    await groups.setDisabled(sales, false, because, now)
    await groups.removeMember({ groupId: sales, memberId: north }, because, now)
    expect(await groupNamesOf(alice)).toEqual(['Sales North'])
  })
})

describe('role separation', () => {
  it('is told by CR_PROP_ROLESEPARATIONENABLED, and lets people hold what they are given where it is turned off', async () => {
    const officer = await server.addOperator('officer')
    await using client = server.connect(officer)
    expect(await client.getCAProperty('CR_PROP_ROLESEPARATIONENABLED')).toBe(1)

    await server.restart({ operators: { roleSeparation: false } })
    await using reconnected = server.connect(officer)
    expect(await reconnected.getCAProperty('CR_PROP_ROLESEPARATIONENABLED')).toBe(0)
    await using unseparated = server.operate(admin)
    await unseparated.operators.grant({ account: nameOf(officer), role: 'auditor' })
    await using both = server.operate(officer)
    expect((await both.session.show()).roles.map(({ role }) => role)).toEqual(['officer', 'auditor'])

    await server.restart()
    await using separated = server.operate(officer)
    await expect(separated.session.show()).rejects.toMatchObject({ code: 'role_conflict' })
  })
})
