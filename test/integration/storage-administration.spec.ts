import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { isAppError, SYSTEM_ACCOUNT, SYSTEM_PRINCIPAL, type ErrorCode } from '@app/core'
import { isSealable } from '@app/policy'
import {
  AgentStore,
  CoverageStore,
  AuditLog,
  CaStore,
  CrlStore,
  type NewCrl,
  ExchangeKeyStore,
  PrincipalStore,
  RequestStore,
  TemplateStore,
  type NewCredential
} from '@app/storage'
import { builtInTemplates } from '@app/templates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../helpers/database.js'
import {
  agentSample,
  BECAUSE,
  caCertificateSample,
  caSample,
  minutes,
  NOW,
  prepareSetting,
  principalSample,
  requestSample,
  SECOND,
  type Setting
} from '../helpers/storage-samples.js'

let database: TestDatabase
let setting: Setting
beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
})
afterAll(() => database.drop())

const code = (expected: ErrorCode) => expect.toSatisfy(error => isAppError(error, expected))
const storeOf = async <T>(Store: new (dataSource: never) => T, user: Parameters<TestDatabase['open']>[0]): Promise<T> =>
  new Store((await database.open(user)).dataSource as never)

async function actionsOf(
  objectType: 'ca' | 'template' | 'principal' | 'credential' | 'agent' | 'exchange_key' | 'crl',
  id: string | number
) {
  const log = await storeOf(AuditLog, 'console')
  const { rows } = await log.list({ objectType, objectId: String(id) }, 50)
  return rows.map(({ action }) => action)
}

describe('a certificate authority', () => {
  it('is found by each form of its name, whatever the case, and has that name alone', async () => {
    const cas = await storeOf(CaStore, 'authority')
    const ca = caSample({ name: 'Größe & Co', sanitizedName: 'Gr!00f6!00dfe & Co', shortName: 'Gr!00f6-00042' })
    const id = await cas.add(ca, BECAUSE)
    const front = await storeOf(CaStore, 'front')
    for (const name of ['größe & co', 'GR!00F6!00DFE & CO', 'gr!00f6-00042']) {
      expect(await front.findByName(name)).toEqual({ id, ...ca, enrollGroups: null })
    }
    expect(await front.findByName('another')).toBeUndefined()
    expect(await front.find(id)).toEqual({ id, ...ca, enrollGroups: null })
    expect((await front.list()).map(row => row.id)).toEqual([setting.caId, id])
    await expect(
      cas.add(caSample({ name: 'GRÖSSE', sanitizedName: 'x', shortName: 'gr!00F6-00042' }), BECAUSE)
    ).rejects.toThrow(code('conflict'))
    expect(await actionsOf('ca', id)).toEqual(['ca.created'])
  })

  it('that is a subordinate becomes active with the certificate it awaited, once', async () => {
    const cas = await storeOf(CaStore, 'authority')
    const sub = caSample({
      name: 'Sub',
      sanitizedName: 'Sub',
      shortName: 'Sub',
      kind: 'subordinate',
      state: 'awaiting_certificate'
    })
    const caId = await cas.add(sub, BECAUSE)
    const open = {
      certificate: null,
      notBefore: null,
      notAfter: null,
      sha1: null,
      request: Buffer.from('csr')
    } as const
    await cas.addCertificate(caCertificateSample(caId, open), BECAUSE, NOW)
    const signed = {
      certificate: Buffer.from('certificate'),
      chain: [Buffer.from('parent'), Buffer.from([0, 0x5c, 0x22])],
      subject: 'CN=Sub',
      notBefore: NOW,
      notAfter: minutes(60),
      sha1: randomBytes(20)
    }
    expect(await cas.activate(caId, 0, signed, BECAUSE, NOW)).toBe(true)
    expect(await cas.activate(caId, 0, signed, BECAUSE, NOW)).toBe(false)
    expect((await cas.find(caId))?.state).toBe('active')
    const front = await storeOf(CaStore, 'front')
    expect(await front.listCertificates(caId)).toMatchObject([{ ...signed, certIndex: 0, request: Buffer.from('csr') }])
    expect(await actionsOf('ca', caId)).toEqual(['ca.activated', 'ca.certificate_requested', 'ca.created'])
  })

  it('offers the templates it was last told to', async () => {
    const cas = await storeOf(CaStore, 'console')
    const templates = await storeOf(TemplateStore, 'front')
    const names = async () => (await templates.listOffered(setting.caId)).map(({ name }) => name)
    expect(await names()).toEqual(['UserEncryption', 'UserSignature'])
    await cas.offer(setting.caId, ['usersignature'], BECAUSE, NOW)
    expect(await names()).toEqual(['UserSignature'])
    await cas.offer(setting.caId, [], BECAUSE, NOW)
    expect(await names()).toEqual([])
  })
})

describe('a template', () => {
  const sample = builtInTemplates().find(({ name }) => name === 'WebServer')
  if (sample === undefined) throw new Error('There is no built-in template to test with.')

  it('comes back as it was given, and knows whether it is archival', async () => {
    expect(setting.archival).toMatchObject({ archival: true, state: 'active' })
    expect(setting.plain).toMatchObject({ archival: false })
    const templates = await storeOf(TemplateStore, 'console')
    const id = await templates.add(sample, BECAUSE, NOW)
    expect(await templates.find(id)).toEqual({
      id,
      name: sample.name,
      oid: sample.oid,
      major: sample.majorVersion,
      minor: sample.minorVersion,
      schemaVersion: sample.schemaVersion,
      archival: false,
      definition: sample,
      state: 'draft',
      createdAt: NOW,
      author: BECAUSE.actor,
      activatedBy: null,
      activatedAt: null
    })
    await expect(templates.add({ ...sample, name: sample.name.toLowerCase() }, BECAUSE, NOW)).rejects.toThrow(
      code('conflict')
    )
  })

  it('has one active version; activating another retires it', async () => {
    const templates = await storeOf(TemplateStore, 'console')
    const first = (await templates.list()).find(({ name }) => name === sample.name)
    const id = first?.id ?? (await templates.add(sample, BECAUSE, NOW))
    const newer = await templates.add({ ...sample, minorVersion: sample.minorVersion + 1 }, BECAUSE, NOW)
    expect(await templates.activate(id, SECOND, NOW)).toBe(true)
    expect(await templates.activate(id, SECOND, NOW)).toBe(false)
    expect(await templates.activate(newer, SECOND, NOW)).toBe(true)
    expect((await templates.find(id))?.state).toBe('retired')
    expect((await templates.findActive(sample.name.toUpperCase()))?.id).toBe(newer)
    expect(await templates.retire(newer, BECAUSE, NOW)).toBe(true)
    expect(await templates.retire(newer, BECAUSE, NOW)).toBe(false)
    expect(await templates.findActive(sample.name)).toBeUndefined()
    expect(await actionsOf('template', newer)).toEqual(['template.retired', 'template.activated', 'template.added'])
  })

  it('is activated by another person than its author, and only while the linter has no error', async () => {
    const templates = await storeOf(TemplateStore, 'console')
    const id = await templates.add({ ...sample, name: 'TwoPeople' }, BECAUSE, NOW)
    await expect(templates.activate(id, { actor: BECAUSE.actor.toUpperCase() }, NOW)).rejects.toThrow(
      code('activator_is_author')
    )
    expect(await templates.activate(id, SECOND, NOW)).toBe(true)
    expect(await templates.find(id)).toMatchObject({ author: 'test', activatedBy: 'second', activatedAt: NOW })
    const unsafe = await templates.add({ ...sample, name: 'Unsafe', enrollmentFlags: 0 }, BECAUSE, NOW)
    await expect(templates.activate(unsafe, SECOND, NOW)).rejects.toThrow(code('template_unsafe'))
    expect((await templates.find(unsafe))?.state).toBe('draft')
    expect(await actionsOf('template', unsafe)).toEqual(['template.added'])
  })

  it.each([
    ['is not changed', `UPDATE certkeep.template SET definition = definition || '{"isCA": true}' WHERE id = $1`],
    ['keeps its author', `UPDATE certkeep.template SET author = 'somebody' WHERE id = $1`],
    ['keeps its version', `UPDATE certkeep.template SET minor = minor + 1 WHERE id = $1`],
    ['is not removed', 'DELETE FROM certkeep.template WHERE id = $1'],
    ['is not active without an activator', `UPDATE certkeep.template SET state = 'active' WHERE id = $1`],
    [
      'is not activated by its author',
      `UPDATE certkeep.template SET state = 'active', activated_by = 'TEST', activated_at = now() WHERE id = $1`
    ],
    [
      'does not go back to draft',
      `UPDATE certkeep.template SET state = 'retired' WHERE id = $1; UPDATE certkeep.template SET state = 'draft'`
    ],
    [
      'does not start as active',
      `INSERT INTO certkeep.template (name, oid, major, minor, schema_version, definition, state, created_at, author,
         activated_by, activated_at)
       SELECT name, oid, 999, minor, schema_version, definition, 'active', now(), author, 'x', now()
       FROM certkeep.template WHERE id = $1`
    ]
  ])('%s, by the owner of the schema neither', async (_what, statement) => {
    const templates = await storeOf(TemplateStore, 'console')
    const draft = (await templates.list()).find(({ name }) => name === 'Fixed')
    const id = draft?.id ?? (await templates.add({ ...sample, name: 'Fixed' }, BECAUSE, NOW))
    const { dataSource } = await database.open('owner')
    await expect(dataSource.query(statement.replaceAll('$1', String(id)))).rejects.toThrow(
      /template_|is retired, never deleted/
    )
    expect((await templates.find(id))?.state).toBe('draft')
  })

  it('of the console is a person’s, and never the installation’s', async () => {
    const templates = await storeOf(TemplateStore, 'console')
    const installation = { actor: 'installation' }
    await expect(templates.add({ ...sample, name: 'Own' }, installation, NOW)).rejects.toThrow(/author_is_a_person/)
    const id = await templates.add({ ...sample, name: 'Own' }, BECAUSE, NOW)
    await expect(templates.activate(id, installation, NOW)).rejects.toThrow(/activator_is_a_person/)
  })

  it('whose definition was tampered with past the trigger is refused', async () => {
    const templates = await storeOf(TemplateStore, 'console')
    const id = await templates.add({ ...sample, name: 'Tampered' }, BECAUSE, NOW)
    const { dataSource } = await database.open('owner')
    await dataSource.query(`
      ALTER TABLE certkeep.template DISABLE TRIGGER ALL;
      UPDATE certkeep.template SET definition = definition || '{"isCA": true}' WHERE id = ${id}`)
    await expect(templates.find(id)).rejects.toThrow(code('invalid_argument'))
    const cas = await storeOf(CaStore, 'console')
    await dataSource.query(`
      UPDATE certkeep.template SET state = 'active', activated_by = 'x', activated_at = now() WHERE id = ${id}`)
    await cas.offer(setting.caId, ['Tampered', 'UserSignature'], BECAUSE, NOW)
    expect((await templates.listOffered(setting.caId)).map(({ name }) => name)).toEqual(['UserSignature'])
    await cas.offer(setting.caId, [], BECAUSE, NOW)
    await dataSource.query(`
      DELETE FROM certkeep.template WHERE id = ${id}; ALTER TABLE certkeep.template ENABLE TRIGGER ALL`)
  })
})

/** A credential like no other. */
function credential(principalId: NewCredential['principalId'], changes: Partial<NewCredential> = {}): NewCredential {
  return {
    id: randomUUID(),
    principalId,
    label: 'laptop',
    tokenHash: randomBytes(32),
    scopes: ['enroll', 'a "quoted", one'],
    caId: null,
    expiresAt: minutes(60),
    createdAt: NOW,
    ...changes
  }
}

/** What a principal has of the directory's other names when none are given. */
const UNNAMED = { guid: null, servicePrincipalNames: [], altSecurityIdentities: [] } as const

describe('a principal', () => {
  it('and a group of the same domain are added at once, and neither fails for the other', async () => {
    const console = await database.open('console')
    const principals = new PrincipalStore(console.dataSource)
    const sid = await principals.allocateSid('CERTKEEP')
    const { dataSource } = await database.open('owner')
    let added: Promise<void> | undefined
    await console.transaction(async unit => {
      const group = { groupNames: ['One that is new'], domain: 'ELSEWHERE' }
      await principals.add(principalSample('first', group), BECAUSE, unit)
      added = principals.add(principalSample('second', { sid, domain: 'CERTKEEP' }), BECAUSE)
      const waits = () =>
        dataSource.query(`
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
      await expect.poll(waits).toHaveLength(1)
      const later = { groupNames: ['Another that is new'], domain: 'ELSEWHERE' }
      await principals.add(principalSample('third', later), BECAUSE, unit)
    })
    await expect(added).resolves.toBeUndefined()
  })

  it('is found by account and by id, and is alone in its name', async () => {
    const principals = await storeOf(PrincipalStore, 'console')
    const carol = principalSample('Carol', { groupNames: [], mail: 'carol@example.test' })
    await principals.add(carol, BECAUSE)
    const front = await storeOf(PrincipalStore, 'front')
    expect(await front.findByAccount('example', 'CAROL')).toEqual({ ...carol, ...UNNAMED, disabledAt: null })
    expect(await front.find(carol.id)).toEqual({ ...carol, ...UNNAMED, disabledAt: null })
    await expect(principals.add(principalSample('CAROL'), BECAUSE)).rejects.toThrow(code('conflict'))
    expect(await actionsOf('principal', carol.id)).toEqual(['principal.added'])
  })

  it('of the system is there from the start', async () => {
    const principals = await storeOf(PrincipalStore, 'authority')
    const system = await principals.find(SYSTEM_PRINCIPAL)
    expect(`${system?.domain}\\${system?.accountName}`).toBe(SYSTEM_ACCOUNT)
    expect(system?.kind).toBe('system')
  })

  it('is known by a token until that ends or is revoked, or the principal is disabled', async () => {
    const principals = await storeOf(PrincipalStore, 'console')
    const front = await storeOf(PrincipalStore, 'front')
    const dave = principalSample('dave')
    await principals.add(dave, BECAUSE)
    const [first, second] = [credential(dave.id), credential(dave.id, { expiresAt: null })]
    await principals.addCredential(first, BECAUSE)
    await principals.addCredential(second, BECAUSE)
    const found = await front.findByToken(first.tokenHash, NOW)
    expect(found).toEqual({
      principal: { ...dave, ...UNNAMED, disabledAt: null },
      credential: { ...first, revokedAt: null }
    })
    expect(await front.findByToken(first.tokenHash, minutes(60))).toBeUndefined()
    expect(await front.findByToken(randomBytes(32), NOW)).toBeUndefined()
    expect(await front.findByToken(second.tokenHash, minutes(99_999))).toMatchObject({ credential: { id: second.id } })

    expect(await principals.revokeCredential(first.id, BECAUSE, NOW)).toBe(true)
    expect(await principals.revokeCredential(first.id, BECAUSE, NOW)).toBe(false)
    expect(await front.findByToken(first.tokenHash, NOW)).toBeUndefined()
    expect(await principals.disable(dave.id, BECAUSE, NOW)).toBe(true)
    expect(await principals.disable(dave.id, BECAUSE, NOW)).toBe(false)
    expect(await front.findByToken(second.tokenHash, NOW)).toBeUndefined()
    expect((await principals.listCredentials(dave.id)).map(({ revokedAt }) => revokedAt).filter(Boolean)).toEqual([NOW])
    expect(await actionsOf('credential', first.id)).toEqual(['credential.revoked', 'credential.added'])
  })

  it('uses an enrollment secret up once, of 20 attempts at once', async () => {
    const principals = await storeOf(PrincipalStore, 'console')
    const front = await storeOf(PrincipalStore, 'front')
    const secret = {
      identification: 'one',
      principalId: setting.alice,
      witnessKey: randomBytes(20),
      expiresAt: minutes(10)
    }
    await principals.addSecret(secret, BECAUSE, NOW)
    expect(await front.findSecret('one', NOW)).toEqual({ ...secret, usedAt: null })
    expect(await front.findSecret('one', minutes(10))).toBeUndefined()
    const used = await Promise.all(Array.from({ length: 20 }, () => front.useSecret(secret, BECAUSE, minutes(1))))
    expect(used.filter(Boolean)).toHaveLength(1)
    expect(await front.findSecret('one', NOW)).toBeUndefined()
    const actions = await actionsOf('principal', setting.alice)
    expect(actions.filter(action => action === 'principal.secret_used')).toHaveLength(1)
  })

  it('is on one page of the list', async () => {
    const principals = await storeOf(PrincipalStore, 'console')
    const seen: string[] = []
    for (let page = await principals.list(2); ; page = await principals.list(2, page.next)) {
      seen.push(...page.rows.map(({ id }) => id))
      if (page.next === undefined) break
    }
    expect(seen).toContain(setting.alice)
    expect(new Set(seen).size).toBe(seen.length)
  })
})

describe('an exchange key', () => {
  it('goes from generated over requested and certified to destroyed', async () => {
    const archive = await storeOf(ExchangeKeyStore, 'archive')
    const authority = await storeOf(ExchangeKeyStore, 'authority')
    const front = await storeOf(ExchangeKeyStore, 'front')
    const key = {
      caId: setting.caId,
      keyReference: 'exchange-1',
      publicKey: randomBytes(294),
      imported: false,
      createdAt: NOW
    }
    const id = await archive.add(key, BECAUSE)
    expect((await authority.listInState('generated')).map(row => row.id)).toEqual([id])

    const requests = await storeOf(RequestStore, 'authority')
    const request = requestSample(setting, { requesterId: SYSTEM_PRINCIPAL, rawRequest: Buffer.alloc(0) })
    const submitted = await requests.submit(request, undefined, BECAUSE)
    expect(await authority.request(id, submitted.id, BECAUSE, NOW)).toBe(true)
    const certificate = {
      requestId: submitted.id,
      certificate: randomBytes(60),
      issuer: Buffer.from('issuer name'),
      serialNumber: randomBytes(16),
      notBefore: NOW,
      notAfter: minutes(60),
      caKeyIndex: 0
    }
    expect(await front.findCurrent(setting.caId, NOW)).toBeUndefined()
    expect(await authority.certify(id, certificate, BECAUSE, NOW)).toBe(true)
    expect(await authority.certify(id, certificate, BECAUSE, NOW)).toBe(false)
    const row = { id, ...key, ...certificate, state: 'certified', destroyedAt: null }
    expect(await front.findCurrent(setting.caId, minutes(60))).toEqual(row)
    expect(await front.findCurrent(setting.caId, minutes(61))).toBeUndefined()
    expect(await archive.findByRecipient(certificate.issuer, certificate.serialNumber)).toEqual(row)
    expect(await archive.findByRecipient(certificate.issuer, randomBytes(16))).toBeUndefined()

    expect(await archive.destroy(id, BECAUSE, minutes(70))).toBe(true)
    expect(await archive.destroy(id, BECAUSE, minutes(71))).toBe(false)
    const gone = await archive.findByRecipient(certificate.issuer, certificate.serialNumber)
    expect(gone).toMatchObject({ state: 'destroyed', destroyedAt: minutes(70) })
    expect((await archive.list(setting.caId)).map(({ state }) => state)).toEqual(['destroyed'])
    expect(await archive.find(id)).toMatchObject({ id })
    expect(await actionsOf('exchange_key', id)).toEqual([
      'exchange_key.destroyed',
      'exchange_key.certified',
      'exchange_key.requested',
      'exchange_key.generated'
    ])
  })
})

describe('a recovery agent', () => {
  it('is usable while it is active and valid', async () => {
    const agents = await storeOf(AgentStore, 'console')
    const sample = { ...agentSample(setting.caId), notAfter: minutes(10) }
    const id = await agents.add(sample, BECAUSE)
    const archive = await storeOf(AgentStore, 'archive')
    const usable = async (at: Date) =>
      (await archive.list(setting.caId)).filter(agent => isSealable(agent, at)).map(agent => agent.id)
    expect(await usable(minutes(10))).toEqual([setting.agentId, id])
    expect(await usable(minutes(11))).toEqual([setting.agentId])
    const coverage = await storeOf(CoverageStore, 'console')
    expect(await coverage.retireAgent({ id, confirmedLoss: 0 }, BECAUSE, minutes(1))).toBe(0)
    await expect(coverage.retireAgent({ id, confirmedLoss: 0 }, BECAUSE, minutes(1))).rejects.toThrow(code('conflict'))
    expect(await usable(minutes(5))).toEqual([setting.agentId])
    expect((await archive.list(setting.caId))[1]).toEqual({
      id,
      ...sample,
      principalId: null,
      state: 'retired',
      retiredAt: minutes(1),
      isRevoked: false
    })
    await expect(agents.add(sample, BECAUSE)).rejects.toThrow(code('conflict'))
    expect(await actionsOf('agent', id)).toEqual(['agent.retired', 'agent.added'])
  })

  it('that was nobody’s becomes somebody’s once', async () => {
    const agents = await storeOf(AgentStore, 'owner')
    const id = await agents.add(agentSample(setting.caId), BECAUSE)
    expect(await agents.assign(id, setting.alice, BECAUSE, NOW)).toBe(true)
    expect(await agents.assign(id, setting.bob, BECAUSE, NOW)).toBe(false)
    expect(await agents.findAll([id])).toMatchObject(new Map([[id, { principalId: setting.alice }]]))
    const console = await storeOf(AgentStore, 'console')
    const other = await agents.add(agentSample(setting.caId), BECAUSE)
    await expect(console.assign(other, setting.bob, BECAUSE, NOW)).rejects.toThrow(/permission denied/)
  })
})

describe('a CRL', () => {
  const crl = (number: number, changes: Partial<NewCrl> = {}): NewCrl => ({
    caId: setting.caId,
    number,
    keyIndex: 0,
    kind: 'base',
    baseNumber: null,
    changes: 0,
    entries: 0,
    crl: Buffer.from(`crl ${number}`),
    thisUpdate: NOW,
    nextUpdate: minutes(60),
    nextPublish: minutes(30),
    ...changes
  })
  const intent = (number: number, keyIndex = 0) => ({
    caId: setting.caId,
    number,
    keyIndex,
    kind: 'base' as const,
    tbsDigest: randomBytes(32),
    intendedAt: NOW
  })

  it('has a number that only rises, as the time does, recorded before it is signed, and the newest of a key and kind is found', async () => {
    const crls = await storeOf(CrlStore, 'authority')
    const front = await storeOf(CrlStore, 'front')
    const seconds = Math.floor(Date.now() / 1000)
    expect(await crls.nextNumber(setting.caId)).toBeGreaterThanOrEqual(seconds)
    await expect(crls.add(crl(5), BECAUSE)).rejects.toThrow(code('internal'))
    for (const number of [4, 5, 6]) await crls.intend(intent(number))
    for (const number of [5, 6]) await expect(crls.intend(intent(number))).rejects.toThrow(code('conflict'))
    await crls.add(crl(5), BECAUSE)
    for (const number of [4, 5]) await expect(crls.add(crl(number), BECAUSE)).rejects.toThrow(code('conflict'))
    await crls.add(crl(6), BECAUSE)
    expect(await crls.nextNumber(setting.caId)).toBeGreaterThanOrEqual(seconds)
    expect(await front.findLatest(setting.caId)).toEqual(crl(6))

    await crls.intend(intent(7))
    await crls.add(crl(7, { kind: 'delta', baseNumber: 6, changes: 3 }), BECAUSE)
    expect((await front.findLatest(setting.caId))?.number).toBe(6)
    expect((await front.findLatest(setting.caId, 0, 'delta'))?.baseNumber).toBe(6)
    expect((await crls.findOldestBase(setting.caId, 0, NOW))?.number).toBe(5)

    const cas = await storeOf(CaStore, 'authority')
    await cas.addCertificate(caCertificateSample(setting.caId, { certIndex: 1, keyIndex: 1 }), BECAUSE, NOW)
    expect(await front.findLatest(setting.caId)).toBeUndefined()
    await crls.intend(intent(8, 1))
    await crls.add(crl(8, { keyIndex: 1 }), BECAUSE)
    expect((await front.findLatest(setting.caId))?.number).toBe(8)
    expect((await front.findLatest(setting.caId, 0))?.number).toBe(6)
    expect(await actionsOf('crl', 8)).toEqual(['crl.published', 'crl.intended'])
    const { rows } = await crls.list(setting.caId, 10)
    expect(rows.map(({ number }) => number)).toEqual([8, 7, 6, 5])

    // A clock that was ahead.
    await crls.intend(intent(seconds + 3600, 1))
    expect(await crls.nextNumber(setting.caId)).toBe(seconds + 3601)
  })

  it('of 10 with one number at once is one', async () => {
    const crls = await storeOf(CrlStore, 'authority')
    const number = await crls.nextNumber(setting.caId)
    const intended = await Promise.allSettled(Array.from({ length: 10 }, () => crls.intend(intent(number))))
    expect(intended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const added = await Promise.allSettled(Array.from({ length: 10 }, () => crls.add(crl(number), BECAUSE)))
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await actionsOf('crl', number)).toEqual(['crl.published', 'crl.intended'])
  })
})

describe('the audit log', () => {
  it('takes events of every role and gives them to the console, newest first', async () => {
    const objectId = createHash('sha1').update('object').digest('hex')
    const event = (actor: string, at: Date) =>
      ({
        at,
        actor,
        action: 'installation.started',
        objectType: 'installation',
        objectId,
        outcome: 'success',
        detail: { version: '0.1.0', tries: 2, clean: true, previous: null, roles: ['front'] }
      }) as const
    for (const [index, user] of (['front', 'authority', 'archive', 'console'] as const).entries()) {
      const log = await storeOf(AuditLog, user)
      await log.append([event(user, minutes(index))])
    }
    const log = await storeOf(AuditLog, 'console')
    const first = await log.list({ objectType: 'installation', objectId, from: minutes(0), until: minutes(3) }, 2)
    expect(first.rows.map(({ actor }) => actor)).toEqual(['archive', 'authority'])
    expect(first.rows[0]).toEqual({ ...event('archive', minutes(2)), seq: expect.any(Number) as number })
    const second = await log.list({ objectId, until: minutes(3) }, 2, first.next)
    expect(second.rows.map(({ actor }) => actor)).toEqual(['front'])
    expect((await log.list({ objectId, actor: 'front', action: 'installation.started' }, 5)).rows).toHaveLength(1)
  })

  it('takes none of a batch of which one is not valid', async () => {
    const log = await storeOf(AuditLog, 'front')
    const good = {
      at: NOW,
      actor: 'x',
      action: 'ca.created',
      objectType: 'ca',
      objectId: 'batch',
      outcome: 'success',
      detail: {}
    } as const
    await expect(log.append([good, { ...good, action: 'crl.published' }])).rejects.toThrow(code('internal'))
    expect((await (await storeOf(AuditLog, 'console')).list({ objectId: 'batch' }, 5)).rows).toEqual([])
  })
})
