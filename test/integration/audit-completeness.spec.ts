import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentId, RecoveryId, RequestId } from '@app/core'
import * as storage from '@app/storage'
import { builtInTemplates } from '@app/templates'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeAuditKey } from '../helpers/audit-chain.js'
import { connectClient, createTestDatabase, type TestDatabase } from '../helpers/database.js'
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
  requestsIn,
  reservationSample,
  SECOND,
  sealedKeySample,
  type Setting
} from '../helpers/storage-samples.js'

const SOURCES = join(import.meta.dirname, '../../libs/storage/src')

/** What only reads, by its name. */
const READING = /^(find|get|list|count|next|has|read|search|status|with|exclusively|export|changesOf|lock|is[A-Z])/

/** What changes rows and leaves no event, each with the reason. */
const WITHOUT_EVENT: Readonly<Record<string, string>> = {
  'ArchiveStore.seal': 'the move of its request to sealed, in the same unit, has the event',
  'ArchiveStore.dropEnvelopes': 'the move of its request to failed, in the same unit, has the event',
  'AuditLog.append': 'is the event',
  'AuditChainStore.link': 'is the chain over the events',
  'AuditChainStore.addCheckpoint': 'is the word on the chain; an event of it would have to be signed in turn',
  'CertificateStore.finish': 'the move of its request to issued, in the same unit, has the event',
  'PrincipalStore.allocateSid': 'a number from a sequence; the principal that gets it has the event',
  'DrillStore.lease': 'who works on a row for a moment',
  'DrillStore.putCanary': 'a key of nobody; the drill that it is of has the event',
  'DrillStore.clearCanaries': 'the same',
  'DrillStore.addAgent': 'a test agent of drills, whom no key of a subscriber is sealed to',
  'DrillStore.removeAgent': 'the same',
  'MessageStore.hurry': 'how a transaction ends',
  'MessageStore.see': 'messages have their journal and acknowledgements, and no events',
  'MessageStore.put': 'the same',
  'MessageStore.lease': 'the same',
  'MessageStore.release': 'the same',
  'MessageStore.prolong': 'the same',
  'MessageQueueStore.keep': 'how long the receiver of a temporary queue may be silent',
  'MessageStore.move': 'the same',
  'MessageStore.remove': 'the same',
  'SentMessageStore.keep': 'the same',
  'SentMessageStore.purge': 'the same: copies that nobody but their sender sees',
  'LdapEntryStore.put': 'what the LDAP server has; the accounts that follow from it have their events',
  'LdapRunStore.schedule': 'a clock; the accounts that a run changes have their events',
  'LdapRunStore.claim': 'the same',
  'LdapRunStore.progress': 'the same',
  'LdapRunStore.end': 'the same',
  'LdapRunStore.purge': 'the same',
  'KeyImportStore.postpone': 'who works on a row for a moment',
  'PublicationStore.take': 'the publishing of a certificate whose issuing has its event',
  'PublicationStore.end': 'the same',
  'PublicationStore.postpone': 'the same',
  'RegisteredCertificateStore.probe': 'writes what is there already',
  'RegisteredCertificateStore.addNonce': 'the registration that it leads to has the event',
  'RegisteredCertificateStore.useNonce': 'the registration that it belongs to has the event',
  'RequestStore.lease': 'who works on a row for a moment',
  'ResealWorkStore.sweepCancelled': 'the cancellation has the event',
  'ResponseStore.put': 'the same outcome in another form; the move to it has the event',
  'SelfIssuedStore.finish': 'the renewal, in the same unit, has the event',
  'SelfIssuedStore.abandon': 'the renewal that is taken back has the event',
  'RevocationAnswerStore.add': 'the revocation, in the same unit, has the event',
  'RevocationAnswerStore.sign': 'the word of a revocation in another form; the revocation has the event',
  'SessionStore.see': 'that a session is still in use',
  'SessionStore.beginSignIn': 'nobody has signed in yet',
  'SessionStore.takeSignIn': 'the session that it leads to, or the refusal, has the event',
  'ClientStore.noteAccount': 'why an account is disabled, which has its own event',
  'RegistrationDecisionStore.link': 'the registration and the account, in the same unit, have their events',
  'RegistrationDecisionStore.purge': 'messages that nobody can send again',
  'RegistrationDecisionStore.settle': 'the decision, in the same unit, has the event',
  'RegistrationStore.confirm': 'that a client has asked',
  'WebhookStore.configure': 'what the configuration of the process says',
  'WebhookStore.take': 'the sending of notices, each of a move that has its event',
  'WebhookStore.putBack': 'the same',
  'WebhookStore.lease': 'the same',
  'WebhookStore.postpone': 'the same',
  'WebhookStore.end': 'the same',
  'WebhookStore.purge': 'the same'
}

/** Prepares a change, and gives what makes it. */
type Prepared = () => Promise<() => Promise<unknown>>

let database: TestDatabase
let client: pg.Client
let owner: storage.Database
let setting: Setting

beforeAll(async () => {
  database = await createTestDatabase()
  setting = await prepareSetting(database)
  owner = await database.open('owner')
  client = await connectClient(database.settings.owner)
  await client.query(`
    CREATE FUNCTION certkeep.fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON certkeep.audit_event FOR EACH STATEMENT EXECUTE FUNCTION certkeep.fail();
    ALTER TABLE certkeep.audit_event DISABLE TRIGGER fail`)
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

const of = <T>(Store: new (dataSource: storage.DataSource) => T): T => new Store(owner.dataSource)
const inUnit = <T>(work: (unit: storage.Unit) => Promise<T>): Promise<T> => owner.transaction(work)
const one = async (state: Parameters<typeof requestsIn>[2], archival = false): Promise<RequestId> => {
  const [id] = await requestsIn(database, setting, state, { archival })
  return id as RequestId
}
let count = 0
const fresh = (what: string): string => `${what} ${++count}`

async function issued(): Promise<{ readonly caId: Setting['caId']; readonly serialNumber: Uint8Array }> {
  const id = await one('approved')
  const reservation = reservationSample(setting, id, { archival: false })
  const { caId, serialNumber } = reservation
  const certificate = randomBytes(80)
  const digests = { sha1: randomBytes(20), sha256: createHash('sha256').update(certificate).digest() }
  await inUnit(async unit => {
    await of(storage.CertificateStore).reserve(unit, [reservation])
    await of(storage.CertificateStore).finish(unit, [{ caId, serialNumber, certificate, ...digests, issuedAt: NOW }])
    await of(storage.RequestStore).moveAll(unit, [{ id, from: 'approved', to: 'issued', because: BECAUSE }], NOW)
  })
  return { caId, serialNumber }
}

async function held(): Promise<Awaited<ReturnType<typeof issued>>> {
  const serial = await issued()
  await of(storage.RevocationStore).revoke(serial, { reason: 6 }, BECAUSE, NOW)
  return serial
}

async function draft(): Promise<Awaited<ReturnType<storage.TemplateStore['add']>>> {
  const definition = { ...(builtInTemplates()[0] as object), name: fresh('Template') } as never
  return of(storage.TemplateStore).add(definition, BECAUSE, NOW)
}

async function principal(): Promise<Setting['alice']> {
  const sample = principalSample(fresh('user'))
  await of(storage.PrincipalStore).add(sample, BECAUSE)
  return sample.id
}

const smsid = (): string => `GUID:${randomUUID().toUpperCase()}`

function newClient(): Parameters<storage.RegistrationStore['receive']> {
  const id = smsid()
  const keyHash = randomBytes(32)
  const common = { smsid: id, mode: 'mixed', proxySmsid: null } as const
  const names = { netbiosName: 'PC', fqdn: 'pc.example.org', requestedAt: NOW }
  const message = {
    kind: 'Registration',
    data: '<Data/>',
    signature: 'AB',
    callerId: null,
    isCertified: false
  } as const
  return [
    { ...common, ...names, keyHash, signingCertificate: randomBytes(40) },
    { ...common, ...message, signatureHash: randomBytes(32), receivedAt: NOW },
    BECAUSE
  ]
}

async function pendingClient(): Promise<string> {
  const parameters = newClient()
  await of(storage.RegistrationStore).receive(...parameters)
  return parameters[1].smsid
}

const clientFacts = (): storage.RegistrationFacts => ({
  approval: 'not_approved',
  mode: 'mixed',
  keyHash: randomBytes(32),
  signingCertificate: randomBytes(40),
  encryptionCertificate: null,
  agentType: 0,
  agentVersion: '1',
  agentIdentity: 'Test',
  netbiosName: 'PC',
  fqdn: 'pc.example.org',
  hardwareId: null,
  properties: {},
  proxySmsid: null,
  isIntegrated: false,
  callerId: null
})

async function registeredClient(): Promise<string> {
  const id = await pendingClient()
  const seen = { smsid: id, status: 'pending' } as const
  await inUnit(unit => of(storage.RegistrationDecisionStore).register(seen, clientFacts(), BECAUSE, NOW, unit))
  return id
}

async function conflict(): Promise<Parameters<storage.RegistrationDecisionStore['addConflict']>[0]> {
  const [first, second] = [await registeredClient(), await pendingClient()]
  const ids = { id: randomUUID(), smsid: second, conflictSmsid: first, messageId: randomUUID() }
  return { ...ids, hardwareId: 'x', foundAt: NOW }
}

const proxy = () => ({
  smsid: smsid(),
  name: fresh('proxy'),
  certificate: randomBytes(40),
  keyHash: randomBytes(32),
  importedAt: NOW
})

const credential = (principalId: Setting['alice']) => ({
  id: randomUUID(),
  principalId,
  label: 'test',
  tokenHash: randomBytes(32),
  scopes: ['enroll'],
  caId: null,
  expiresAt: null,
  createdAt: NOW
})

const messageQueue = (ownerId: Setting['alice']): storage.NewMessageQueue => ({
  id: randomUUID(),
  name: `queue-${++count}`,
  ownerId,
  authenticate: false,
  privacy: 'optional',
  journaling: false,
  quota: 1024,
  journalQuota: 1024,
  encryptionKey: null,
  access: [],
  createdAt: NOW
})

async function existingQueue(): Promise<storage.NewMessageQueue> {
  const queue = messageQueue(await principal())
  await of(storage.MessageQueueStore).create(queue, 9, BECAUSE)
  return queue
}

const messageKey = (principalId: Setting['alice']): storage.NewMessageKey => ({
  id: randomUUID(),
  principalId,
  kind: 'internal',
  publicKey: randomBytes(91),
  reference: fresh('key'),
  sealedKey: randomBytes(200),
  createdAt: NOW
})

const delegation = (subjectId: Setting['alice'], actorId: Setting['alice']): storage.NewDelegation => ({
  id: randomUUID(),
  subjectId,
  actorId,
  tokenHash: randomBytes(32),
  createdAt: NOW,
  expiresAt: minutes(60)
})

async function securityContext(): Promise<storage.NewSecurityContext> {
  const ownerId = await principal()
  const row = registration(ownerId)
  const key = messageKey(ownerId)
  await of(storage.RegisteredCertificateStore).register(row, { most: 9 }, BECAUSE)
  await of(storage.MessageKeyStore).add(key, 9, BECAUSE)
  const handle = randomBytes(16).toString('base64url')
  const what = { registeredId: row.identifier, keyId: key.id, delegationId: null }
  return { handle, ownerId, subjectId: ownerId, ...what, createdAt: NOW, expiresAt: minutes(60) }
}

const secretOf = (principalId: Setting['alice']) => ({
  identification: fresh('secret'),
  principalId,
  witnessKey: randomBytes(20),
  expiresAt: minutes(60)
})

const invitation = () => ({
  id: randomUUID(),
  secretHash: randomBytes(32),
  role: 'auditor' as const,
  caId: null,
  scopeTemplates: null,
  scopeGroups: null,
  invitedBy: 'test',
  createdAt: NOW,
  expiresAt: minutes(60)
})

const session = (principalId: Setting['alice']) => ({
  id: randomUUID(),
  principalId,
  secretHash: randomBytes(32),
  method: 'oidc' as const,
  createdAt: NOW,
  expiresAt: minutes(60)
})

async function webhook(): Promise<string> {
  const name = fresh('webhook')
  await of(storage.WebhookStore).configure([{ name, events: ['issued'], ca: 'no such' }])
  return name
}

const exchangeKey = () => ({
  caId: setting.caId,
  keyReference: fresh('exchange'),
  publicKey: randomBytes(40),
  imported: false,
  createdAt: NOW
})

const exchangeCertificate = () => ({
  certificate: randomBytes(40),
  issuer: Buffer.from('issuer'),
  serialNumber: randomBytes(8),
  notBefore: NOW,
  notAfter: minutes(60),
  requestId: null,
  caKeyIndex: 0
})

const keyImport = (): storage.NewKeyImport => ({
  id: randomUUID(),
  caId: setting.caId,
  certificate: randomBytes(80),
  subject: 'CN=x',
  issuer: Buffer.from('issuer'),
  serialNumber: randomBytes(8),
  notBefore: NOW,
  notAfter: minutes(60),
  sha1: randomBytes(20),
  publicKey: randomBytes(40),
  keyId: randomBytes(20),
  isForeign: true,
  templateId: setting.archival.id,
  replaces: false,
  ownerId: null,
  ownerName: 'x',
  receivedAt: NOW
})

async function received(changes: Partial<storage.NewKeyImport>): Promise<string> {
  const row = { ...keyImport(), ...changes }
  await of(storage.KeyImportStore).add(row, Buffer.from('x'), BECAUSE)
  return row.id
}

const purgeOf = ({ caId }: Setting) => ({ caId, templateName: null, reason: 'Retention' })

/** With a key in the archive that is not purgeable, so that a purge of it keeps it: one event, of the purge. */
const sealedRequest = (): Promise<RequestId> => one('sealed', true)

async function administrator(): Promise<storage.PurgeActor> {
  const id = await principal()
  const role = { role: 'administrator' as const, caId: null, scope: null }
  await of(storage.RoleStore).grant(id, role, BECAUSE, NOW)
  return { id, name: 'EXAMPLE\\admin' }
}

async function proposedPurge(id: RequestId): Promise<number> {
  return of(storage.KeyPurgeStore).propose(purgeOf(setting), [id], await administrator(), NOW)
}

const decision = (requestId: RequestId, kind: storage.DecisionRow['kind']) => ({
  requestId,
  round: 1,
  kind,
  principalId: setting.bob,
  principalName: 'EXAMPLE\\bob',
  at: NOW,
  reason: 'Because.'
})

const selfSigned = () => ({
  certificate: randomBytes(40),
  chain: [],
  subject: 'CN=x',
  notBefore: NOW,
  notAfter: minutes(60),
  sha1: randomBytes(20)
})

const registration = (principalId: Setting['alice']): storage.NewRegisteredCertificate => ({
  identifier: randomUUID(),
  principalId,
  kind: 'internal',
  machineId: randomUUID(),
  certificate: randomBytes(40),
  subject: 'CN=x',
  notBefore: NOW,
  notAfter: minutes(60),
  registeredAt: NOW
})

async function awaiting(): Promise<Setting['caId']> {
  const name = fresh('CA')
  const names = { name, sanitizedName: name, shortName: name }
  const id = await of(storage.CaStore).add(
    caSample({ ...names, kind: 'subordinate', state: 'awaiting_certificate' }),
    BECAUSE
  )
  const empty = { certificate: null, notBefore: null, notAfter: null, sha1: null, request: Buffer.from('x') }
  await of(storage.CaStore).addCertificate(
    caCertificateSample(id, { ...empty, keyReference: fresh('key') }),
    BECAUSE,
    NOW
  )
  return id
}

const crl = async () => {
  const number = await of(storage.CrlStore).nextNumber(setting.caId)
  const common = { caId: setting.caId, number, keyIndex: 0, kind: 'base' as const }
  await of(storage.CrlStore).intend({ ...common, tbsDigest: randomBytes(32), intendedAt: NOW })
  const counted = { baseNumber: null, changes: 0, entries: 0, crl: randomBytes(40) }
  return { ...common, ...counted, thisUpdate: NOW, nextUpdate: minutes(60), nextPublish: minutes(50) }
}

/** An archived key with its certificate, which two agents together let somebody recover, and these two. */
async function archivedKey(): Promise<{
  readonly requestId: RequestId
  readonly serialNumber: Uint8Array
  readonly agents: readonly { readonly agentId: AgentId; readonly principalId: Setting['alice'] }[]
}> {
  const id = await one('sealed', true)
  const reservation = reservationSample(setting, id)
  const { caId, serialNumber } = reservation
  const digests = { sha1: randomBytes(20), sha256: randomBytes(32) }
  const certificate = { caId, serialNumber, certificate: randomBytes(80), ...digests, issuedAt: NOW }
  await inUnit(async unit => {
    await of(storage.CertificateStore).reserve(unit, [reservation])
    await of(storage.CertificateStore).finish(unit, [certificate])
    await of(storage.RequestStore).moveAll(unit, [{ id, from: 'sealed', to: 'issued', because: BECAUSE }], NOW)
  })
  const agents = await Promise.all([agentOf(id), agentOf(id)])
  return { requestId: id, serialNumber, agents }
}

async function agentOf(requestId: RequestId) {
  const principalId = await principal()
  const held = { role: 'recovery_agent', caId: null, scope: null } as const
  await of(storage.RoleStore).grant(principalId, held, BECAUSE, NOW)
  const agentId = await of(storage.AgentStore).add({ ...agentSample(setting.caId), principalId }, BECAUSE)
  await client.query('INSERT INTO certkeep.sealed_key_agent VALUES ($1, $2)', [requestId, agentId])
  return { agentId, principalId }
}

async function recoveryOf({ requestId, serialNumber }: Awaited<ReturnType<typeof archivedKey>>) {
  const requesterId = await principal()
  await of(storage.RoleStore).grant(requesterId, { role: 'officer', caId: null, scope: null }, BECAUSE, NOW)
  return {
    caId: setting.caId,
    requestId,
    serialNumber,
    ownerId: setting.alice,
    requesterId,
    requesterName: 'EXAMPLE\\officer',
    reason: 'Lost.',
    ticket: 'T-1',
    recipient: null,
    requestedAt: NOW,
    expiresAt: minutes(60)
  }
}

/** A recovery that waits for approvals, and whoever can give them. */
async function requested() {
  const key = await archivedKey()
  const id = await of(storage.RecoveryStore).request(await recoveryOf(key), BECAUSE)
  await inUnit(unit => {
    const shares = key.agents.map(({ agentId }) => ({ agentId, share: null, binding: null }))
    return of(storage.RecoveryArchiveStore).prepare(unit, id, shares, NOW)
  })
  const approvals = key.agents.map(agent => ({
    ...agent,
    recoveryId: id,
    principalName: 'EXAMPLE\\agent',
    at: NOW,
    transferred: null
  }))
  const [first, second] = approvals as [storage.NewRecoveryApproval, storage.NewRecoveryApproval]
  return { id, requestId: key.requestId, first, second }
}

async function approved(): Promise<{ readonly id: RecoveryId; readonly requestId: RequestId }> {
  const { id, requestId, first, second } = await requested()
  await inUnit(unit => of(storage.RecoveryStore).giveApproval(unit, first, {}, BECAUSE))
  await inUnit(unit => of(storage.RecoveryStore).approve(unit, second, { releaseUntil: minutes(60) }, BECAUSE))
  return { id, requestId }
}

async function released(): Promise<Awaited<ReturnType<typeof approved>>> {
  const recovery = await approved()
  await inUnit(unit => of(storage.RecoveryStore).release(unit, recovery.id, NOW, NOW, BECAUSE))
  return recovery
}

async function packed(): Promise<RecoveryId> {
  const { id, requestId } = await released()
  await inUnit(unit => of(storage.RecoveryArchiveStore).pack(unit, id, requestId, randomBytes(40), NOW))
  return id
}

const intent = { keyIndex: 0, toSign: Buffer.from('attributes') }

const RESEAL_STATES = ['prepared', 'handed_on', 'stored', 'verified'] as const

/** A reseal with one key, which is so far. */
async function reseal(state: (typeof RESEAL_STATES)[number] | 'started'): Promise<{
  readonly id: string
  readonly requestId: RequestId
  readonly from: Setting['alice']
  readonly to: Setting['alice']
}> {
  const [from, to] = [await principal(), await principal()]
  const held = { role: 'recovery_agent', caId: null, scope: null } as const
  await of(storage.RoleStore).grant(to, held, BECAUSE, NOW)
  const agent = (principalId: Setting['alice']) =>
    of(storage.AgentStore).add({ ...agentSample(setting.caId), principalId }, BECAUSE)
  const [fromAgentId, toAgentId] = [await agent(from), await agent(to)]
  const requestId = await one('sealed', true)
  await client.query('UPDATE certkeep.sealed_key SET agent_ids = ARRAY[$2::integer] WHERE request_id = $1', [
    requestId,
    fromAgentId
  ])
  await client.query('UPDATE certkeep.sealed_key_agent SET agent_id = $2 WHERE request_id = $1', [
    requestId,
    fromAgentId
  ])
  const id = randomUUID()
  const people = { fromPrincipalId: from, toPrincipalId: to, startedBy: setting.bob, startedByName: 'EXAMPLE\\bob' }
  const row = { id, caId: setting.caId, fromAgentId, toAgentId, ...people, reason: 'Because.', startedAt: NOW }
  await of(storage.ResealStore).start(row, BECAUSE)
  const steps = RESEAL_STATES.slice(0, RESEAL_STATES.findIndex(known => known === state) + 1)
  for (const step of steps) await advance({ id, requestId, from, to }, step)
  return { id, requestId, from, to }
}

const PART = Buffer.from('part')

async function advance(
  { id, requestId, from, to }: Awaited<ReturnType<typeof reseal>>,
  state: (typeof RESEAL_STATES)[number]
): Promise<unknown> {
  const work = of(storage.ResealWorkStore)
  const plan = { limit: 1, ahead: 1, now: NOW }
  switch (state) {
    case 'prepared':
      return work.prepare(id, plan, keys =>
        Promise.resolve(keys.map(key => ({ ...key, held: PART, binding: PART, skipped: null })))
      )
    case 'handed_on':
      return of(storage.ResealStore).handOn(id, [{ requestId, part: PART }], { ...BECAUSE, principalId: from }, NOW)
    case 'stored':
      return work.store(id, 1, NOW, parts =>
        Promise.resolve(
          parts.map(({ sealed }) => ({ requestId, sealed: PART, madeOf: storage.partDigest(sealed ?? PART) }))
        )
      )
    case 'verified': {
      const verdict = { requestId, sha256: storage.partDigest(PART), isRight: true }
      return of(storage.ResealStore).verify(id, [verdict], { ...BECAUSE, principalId: to }, NOW)
    }
  }
}

/** Every change that has its own event. Each makes one, save where a number says otherwise. */
const CHANGES: Readonly<Record<string, Prepared | readonly [Prepared, number]>> = {
  'AgentScopeStore.grant': async () => {
    const scope = { agentId: setting.bob, caId: null, templateName: fresh('Template'), subjectGroup: 'Domain Users' }
    return () => of(storage.AgentScopeStore).grant(scope, BECAUSE, NOW)
  },
  'AgentScopeStore.revoke': async () => {
    const scope = { agentId: setting.bob, caId: null, templateName: fresh('Template'), subjectGroup: 'Domain Users' }
    const id = await of(storage.AgentScopeStore).grant(scope, BECAUSE, NOW)
    return () => of(storage.AgentScopeStore).revoke(id, BECAUSE, NOW)
  },
  'AgentStore.add': async () => () => of(storage.AgentStore).add(agentSample(setting.caId), BECAUSE),
  'AgentStore.assign': async () => {
    const id = await of(storage.AgentStore).add(agentSample(setting.caId), BECAUSE)
    return () => of(storage.AgentStore).assign(id, setting.bob, BECAUSE, NOW)
  },
  'ArchiveStore.purgeEnvelopes': async () => {
    await one('denied', true)
    return () => of(storage.ArchiveStore).purgeEnvelopes(minutes(1), 1, NOW)
  },
  'ArchiveStore.purgeSealed': async () => {
    const id = await one('sealed', true)
    const failure = { code: 'internal', message: 'No.' }
    await of(storage.RequestStore).move({ id, from: 'sealed', to: 'failed', because: BECAUSE, failure }, NOW)
    return () => of(storage.ArchiveStore).purgeSealed(minutes(1), 1, NOW)
  },
  'AuditChainStore.addKey': async () => {
    const key = { ...makeAuditKey(), keyReference: fresh('audit') }
    return () => of(storage.AuditChainStore).addKey(key, BECAUSE)
  },
  'CaStore.add': async () => {
    const name = fresh('CA')
    return () => of(storage.CaStore).add(caSample({ name, sanitizedName: name, shortName: name }), BECAUSE)
  },
  'CaStore.addCertificate': async () => {
    const certificate = caCertificateSample(await awaiting(), { certIndex: 1, keyIndex: 1, keyReference: fresh('key') })
    return () => of(storage.CaStore).addCertificate(certificate, BECAUSE, NOW)
  },
  'CaStore.activate': async () => {
    const id = await awaiting()
    return () => of(storage.CaStore).activate(id, 0, selfSigned(), BECAUSE, NOW)
  },
  'CaStore.withdrawRenewal': async () => {
    const caId = await awaiting()
    const empty = { certificate: null, notBefore: null, notAfter: null, sha1: null, request: Buffer.from('x') }
    const renewal = caCertificateSample(caId, { ...empty, certIndex: 1, keyIndex: 1, keyReference: fresh('key') })
    await of(storage.CaStore).addCertificate(renewal, BECAUSE, NOW)
    return () => of(storage.CaStore).withdrawRenewal(caId, 1, BECAUSE, NOW)
  },
  'CaStore.offer': async () => {
    const caId = await awaiting()
    return () => of(storage.CaStore).offer(caId, ['A', 'B'], BECAUSE, NOW)
  },
  'CaStore.addOffer': async () => {
    const name = fresh('Template')
    return () => of(storage.CaStore).addOffer(setting.caId, name, BECAUSE, NOW)
  },
  'CaStore.removeOffer': async () => {
    const name = fresh('Template')
    await of(storage.CaStore).addOffer(setting.caId, name, BECAUSE, NOW)
    return () => of(storage.CaStore).removeOffer(setting.caId, name, BECAUSE, NOW)
  },
  'CaStore.setEnrollGroups': async () => {
    const caId = await awaiting()
    return () => of(storage.CaStore).setEnrollGroups(caId, ['Domain Users'], BECAUSE, NOW)
  },
  'CertificateStore.reserve': async () => {
    const reservation = reservationSample(setting, await one('approved'), { archival: false })
    return () => inUnit(unit => of(storage.CertificateStore).reserve(unit, [reservation]))
  },
  'CertificateStore.abandon': async () => {
    const reservation = reservationSample(setting, await one('approved'), { archival: false })
    await inUnit(unit => of(storage.CertificateStore).reserve(unit, [reservation]))
    return () => inUnit(unit => of(storage.CertificateStore).abandon(unit, [reservation], BECAUSE, NOW))
  },
  'CoverageStore.retireAgent': async () => {
    const id = await of(storage.AgentStore).add(agentSample(setting.caId), BECAUSE)
    return () => of(storage.CoverageStore).retireAgent({ id, confirmedLoss: 0 }, BECAUSE, NOW)
  },
  'CrlStore.intend': async () => {
    const number = await of(storage.CrlStore).nextNumber(setting.caId)
    const intent = { caId: setting.caId, number, keyIndex: 0, kind: 'base' as const, tbsDigest: randomBytes(32) }
    return () => of(storage.CrlStore).intend({ ...intent, intendedAt: NOW })
  },
  'CrlStore.add': async () => {
    const next = await crl()
    return () => of(storage.CrlStore).add(next, BECAUSE)
  },
  'DecisionStore.giveApproval': async () => {
    const id = await one('pending')
    return () => inUnit(unit => of(storage.DecisionStore).giveApproval(unit, decision(id, 'approve'), {}))
  },
  'DecisionStore.edit': async () => {
    const id = await one('pending')
    const value = { attributeValue: 'x', extensionValue: null, critical: null, disabled: null }
    const edits = [{ kind: 'attribute' as const, name: 'a', ...value }]
    return () => inUnit(unit => of(storage.DecisionStore).edit(unit, decision(id, 'edit'), edits))
  },
  'DecisionStore.decide': async () => {
    const id = await one('pending')
    const failure = { code: 'denied_by_officer', message: 'No.' }
    const move = { id, from: 'pending', to: 'denied', because: BECAUSE, failure } as const
    return () => inUnit(unit => of(storage.DecisionStore).decide(unit, decision(id, 'deny'), move))
  },
  'DirectoryStore.change': async () => {
    const id = await principal()
    return () => of(storage.DirectoryStore).change(id, { mail: 'x@example.org' }, BECAUSE, NOW)
  },
  'ExchangeKeyStore.add': async () => () => of(storage.ExchangeKeyStore).add(exchangeKey(), BECAUSE),
  'ExchangeKeyStore.request': async () => {
    const id = await of(storage.ExchangeKeyStore).add(exchangeKey(), BECAUSE)
    const request = await one('received')
    return () => of(storage.ExchangeKeyStore).request(id, request, BECAUSE, NOW)
  },
  'ExchangeKeyStore.certify': async () => {
    const id = await of(storage.ExchangeKeyStore).add(exchangeKey(), BECAUSE)
    return () => of(storage.ExchangeKeyStore).certify(id, exchangeCertificate(), BECAUSE, NOW)
  },
  'ExchangeKeyStore.destroy': async () => {
    const id = await of(storage.ExchangeKeyStore).add(exchangeKey(), BECAUSE)
    return () => of(storage.ExchangeKeyStore).destroy(id, BECAUSE, NOW)
  },
  'GroupStore.add': async () => {
    const name = fresh('Group')
    return () => of(storage.GroupStore).add(name, BECAUSE, NOW)
  },
  'GroupStore.addMember': async () => {
    const groupId = await of(storage.GroupStore).add(fresh('Group'), BECAUSE, NOW)
    return () => of(storage.GroupStore).addMember({ groupId, memberId: setting.bob }, BECAUSE, NOW)
  },
  'GroupStore.removeMember': async () => {
    const groupId = await of(storage.GroupStore).add(fresh('Group'), BECAUSE, NOW)
    await of(storage.GroupStore).addMember({ groupId, memberId: setting.bob }, BECAUSE, NOW)
    return () => of(storage.GroupStore).removeMember({ groupId, memberId: setting.bob }, BECAUSE, NOW)
  },
  'GroupStore.setDisabled': async () => {
    const id = await principal()
    return () => of(storage.GroupStore).setDisabled(id, true, BECAUSE, NOW)
  },
  'InvitationStore.add': async () => () => of(storage.InvitationStore).add(invitation(), BECAUSE),
  'InvitationStore.redeem': async () => {
    const invited = invitation()
    await of(storage.InvitationStore).add(invited, BECAUSE)
    return () => inUnit(unit => of(storage.InvitationStore).redeem(invited.id, setting.bob, BECAUSE, NOW, unit))
  },
  'InvitationStore.revoke': async () => {
    const invited = invitation()
    await of(storage.InvitationStore).add(invited, BECAUSE)
    return () => of(storage.InvitationStore).revoke(invited.id, BECAUSE, NOW)
  },
  'KeyImportStore.add': async () => () => of(storage.KeyImportStore).add(keyImport(), Buffer.from('x'), BECAUSE),
  'KeyImportStore.finish': async () => {
    const certificate = randomBytes(80)
    const first = await received({ certificate })
    const { requestId, ...form } = sealedKeySample(1 as RequestId, setting)
    void requestId
    await inUnit(unit => of(storage.KeyImportStore).finish(unit, first, form))
    const again = await received({ certificate, replaces: true })
    return () => inUnit(unit => of(storage.KeyImportStore).finish(unit, again, form))
  },
  'KeyImportStore.fail': async () => {
    const id = await received({})
    const failure = { code: 'archived_key_mismatch', message: 'No.' } as const
    return () => inUnit(unit => of(storage.KeyImportStore).fail(unit, id, failure, BECAUSE, NOW))
  },
  'DrillStore.order': async () => () => of(storage.DrillStore).order(BECAUSE, NOW),
  'DrillStore.end': async () => {
    await of(storage.DrillStore).order(BECAUSE, NOW)
    const id = await of(storage.DrillStore).lease(NOW, minutes(5))
    return () => of(storage.DrillStore).end(id ?? 0, { state: 'succeeded', canaries: 1 }, BECAUSE, NOW)
  },
  'KeyPurgeStore.propose': async () => {
    const id = await sealedRequest()
    const by = await administrator()
    return () => of(storage.KeyPurgeStore).propose(purgeOf(setting), [id], by, NOW)
  },
  'KeyPurgeStore.approve': async () => {
    const id = await proposedPurge(await sealedRequest())
    const by = await administrator()
    return () => of(storage.KeyPurgeStore).approve(id, by, NOW)
  },
  'KeyPurgeStore.cancel': async () => {
    const id = await proposedPurge(await sealedRequest())
    return () => of(storage.KeyPurgeStore).cancel(id, BECAUSE, NOW)
  },
  'KeyPurgeStore.run': async () => {
    const id = await proposedPurge(await sealedRequest())
    await of(storage.KeyPurgeStore).approve(id, await administrator(), NOW)
    return () => of(storage.KeyPurgeStore).run(1, NOW)
  },
  'PrincipalStore.add': async () => () => of(storage.PrincipalStore).add(principalSample(fresh('user')), BECAUSE),
  'PrincipalStore.disable': async () => {
    const id = await principal()
    return () => of(storage.PrincipalStore).disable(id, BECAUSE, NOW)
  },
  'PrincipalStore.addCredential': async () => () =>
    of(storage.PrincipalStore).addCredential(credential(setting.alice), BECAUSE),
  'PrincipalStore.revokeCredential': async () => {
    const token = credential(setting.alice)
    await of(storage.PrincipalStore).addCredential(token, BECAUSE)
    return () => of(storage.PrincipalStore).revokeCredential(token.id, BECAUSE, NOW)
  },
  'PrincipalStore.addSecret': async () => () =>
    of(storage.PrincipalStore).addSecret(secretOf(setting.alice), BECAUSE, NOW),
  'PrincipalStore.useSecret': async () => {
    const secret = secretOf(setting.alice)
    await of(storage.PrincipalStore).addSecret(secret, BECAUSE, NOW)
    return () => of(storage.PrincipalStore).useSecret(secret, BECAUSE, NOW)
  },
  'RecoveryArchiveStore.prepare': async () => {
    const key = await archivedKey()
    const id = await of(storage.RecoveryStore).request(await recoveryOf(key), BECAUSE)
    return () => inUnit(unit => of(storage.RecoveryArchiveStore).prepare(unit, id, [], NOW))
  },
  'RecoveryArchiveStore.pack': async () => {
    const { id, requestId } = await released()
    return () => inUnit(unit => of(storage.RecoveryArchiveStore).pack(unit, id, requestId, randomBytes(40), NOW))
  },
  'RecoveryArchiveStore.refuse': async () => {
    const { id } = await requested()
    return () => inUnit(unit => of(storage.RecoveryArchiveStore).refuse(unit, id, 'Gone.', NOW))
  },
  'RecoveryArchiveStore.expire': async () => {
    await of(storage.RecoveryArchiveStore).expire(minutes(60), 1000)
    await requested()
    return () => of(storage.RecoveryArchiveStore).expire(minutes(60), 1)
  },
  'RecoveryArchiveStore.tellOwners': async () => {
    await of(storage.RecoveryArchiveStore).tellOwners(NOW, 1000)
    await released()
    return () => of(storage.RecoveryArchiveStore).tellOwners(NOW, 1)
  },
  'RecoveryPackageStore.intend': async () => {
    const id = await packed()
    return () => of(storage.RecoveryPackageStore).intend(id, setting.caId, intent, NOW)
  },
  'RecoveryPackageStore.finish': async () => {
    const id = await packed()
    await of(storage.RecoveryPackageStore).intend(id, setting.caId, intent, NOW)
    return () => of(storage.RecoveryPackageStore).finish(id, intent.toSign, randomBytes(40), NOW)
  },
  'RecoveryStore.request': async () => {
    const recovery = await recoveryOf(await archivedKey())
    return () => of(storage.RecoveryStore).request(recovery, BECAUSE)
  },
  'RecoveryStore.giveApproval': async () => {
    const { first } = await requested()
    return () => inUnit(unit => of(storage.RecoveryStore).giveApproval(unit, first, {}, BECAUSE))
  },
  'RecoveryStore.approve': async () => {
    const { first, second } = await requested()
    await inUnit(unit => of(storage.RecoveryStore).giveApproval(unit, first, {}, BECAUSE))
    return () => inUnit(unit => of(storage.RecoveryStore).approve(unit, second, { releaseUntil: minutes(60) }, BECAUSE))
  },
  'RecoveryStore.release': async () => {
    const { id } = await approved()
    return () => inUnit(unit => of(storage.RecoveryStore).release(unit, id, NOW, NOW, BECAUSE))
  },
  'RecoveryStore.close': async () => {
    const { id } = await requested()
    return () => of(storage.RecoveryStore).close(id, { state: 'refused', reason: 'No.' }, BECAUSE, NOW)
  },
  'ForeignCertificateStore.add': async () => {
    const row = registration(await principal())
    return () => of(storage.ForeignCertificateStore).add(row, BECAUSE, NOW)
  },
  'LdapRunStore.request': async () => {
    const run = { id: randomUUID(), isFull: true, acceptsRemovals: false }
    return () => of(storage.LdapRunStore).request(run, BECAUSE, NOW)
  },
  'RegisteredCertificateStore.register': async () => {
    const row = registration(await principal())
    return () => of(storage.RegisteredCertificateStore).register(row, { most: 9 }, BECAUSE)
  },
  'RegisteredCertificateStore.deregister': async () => {
    const row = registration(await principal())
    const store = of(storage.RegisteredCertificateStore)
    await store.register(row, { most: 9 }, BECAUSE)
    const digest = createHash('md5').update(row.certificate).digest()
    return () => store.deregister(row.principalId, digest, BECAUSE, NOW)
  },
  'MessageQueueStore.create': async () => {
    const queue = messageQueue(await principal())
    return () => of(storage.MessageQueueStore).create(queue, 9, BECAUSE)
  },
  'MessageQueueStore.change': async () => {
    const queue = await existingQueue()
    return () => of(storage.MessageQueueStore).change(queue.id, queue, BECAUSE, NOW)
  },
  'MessageQueueStore.remove': async () => {
    const { id } = await existingQueue()
    return () => inUnit(unit => of(storage.MessageQueueStore).remove(unit, id, BECAUSE, NOW))
  },
  'MessageKeyStore.add': async () => {
    const key = messageKey(await principal())
    return () => of(storage.MessageKeyStore).add(key, 9, BECAUSE)
  },
  'MessageKeyStore.remove': async () => {
    const key = messageKey(await principal())
    await of(storage.MessageKeyStore).add(key, 9, BECAUSE)
    return () => of(storage.MessageKeyStore).remove(key.principalId, key.id, BECAUSE, NOW)
  },
  'DelegationStore.grant': async () => {
    const given = delegation(await principal(), await principal())
    return () => of(storage.DelegationStore).grant(given, 9, BECAUSE)
  },
  'DelegationStore.revoke': async () => {
    const given = delegation(await principal(), await principal())
    await of(storage.DelegationStore).grant(given, 9, BECAUSE)
    return () => of(storage.DelegationStore).revoke(given.id, given.subjectId, BECAUSE, NOW)
  },
  'DelegationStore.exchange': async () => {
    const given = delegation(await principal(), await principal())
    await of(storage.DelegationStore).grant(given, 9, BECAUSE)
    const token = { id: given.id, tokenHash: randomBytes(32), expiresAt: minutes(5) }
    return () => of(storage.DelegationStore).exchange(token, BECAUSE, NOW)
  },
  'SecurityContextStore.obtain': async () => {
    const context = await securityContext()
    return () => of(storage.SecurityContextStore).obtain(context, { ofOwner: 9, inAll: 99 }, BECAUSE)
  },
  'SecurityContextStore.free': async () => {
    const context = await securityContext()
    await of(storage.SecurityContextStore).obtain(context, { ofOwner: 9, inAll: 99 }, BECAUSE)
    return () => of(storage.SecurityContextStore).free(context.handle, context.ownerId, BECAUSE, NOW)
  },
  'MessageStore.purge': async () => {
    const { id: queueId } = await existingQueue()
    return () => inUnit(unit => of(storage.MessageStore).purge(unit, { queueId, place: 'queue' }, BECAUSE, NOW))
  },
  'RequestStore.submit': async () => {
    const request = requestSample(setting, { carriesKey: true })
    const envelope = { envelope: Buffer.from('x'), placement: 'unsigned-attribute' } as const
    return () => of(storage.RequestStore).submit(request, envelope, BECAUSE)
  },
  'RequestStore.moveAll': [
    async () => {
      const ids = await requestsIn(database, setting, 'received', { count: 3, archival: false })
      const moves = ids.map(
        id => ({ id, from: 'received', to: 'pending', because: BECAUSE, template: setting.plain }) as const
      )
      return () => inUnit(unit => of(storage.RequestStore).moveAll(unit, moves, NOW))
    },
    3
  ],
  'RequestStore.move': async () => {
    const id = await one('received')
    const move = { id, from: 'received', to: 'approved', because: BECAUSE, template: setting.plain } as const
    return () => of(storage.RequestStore).move(move, NOW)
  },
  'RequestStore.withdraw': async () => {
    const id = await one('pending')
    return () => of(storage.RequestStore).withdraw(id, setting.alice, BECAUSE, NOW)
  },
  'RetentionStore.setPolicy': async () => () =>
    of(storage.RetentionStore).setPolicy({ caId: setting.caId, templateName: fresh('T'), days: 1 }, BECAUSE, NOW),
  'RetentionStore.removePolicy': async () => {
    const templateName = fresh('T')
    await of(storage.RetentionStore).setPolicy({ caId: setting.caId, templateName, days: 1 }, BECAUSE, NOW)
    return () => of(storage.RetentionStore).removePolicy(setting.caId, templateName, BECAUSE, NOW)
  },
  'RetentionStore.placeHold': async () => {
    const requestId = await sealedRequest()
    return () => of(storage.RetentionStore).placeHold({ id: randomUUID(), requestId, reason: 'x' }, BECAUSE, NOW)
  },
  'RetentionStore.liftHold': async () => {
    const requestId = await sealedRequest()
    await of(storage.RetentionStore).placeHold({ id: randomUUID(), requestId, reason: 'x' }, BECAUSE, NOW)
    return () => of(storage.RetentionStore).liftHold(requestId, BECAUSE, NOW)
  },
  'ResealStore.start': async () => {
    const { id } = await reseal('started')
    const row = (await of(storage.ResealStore).find(id)) as storage.ResealRow
    await of(storage.ResealStore).cancel(id, BECAUSE, NOW)
    return () => of(storage.ResealStore).start({ ...row, id: randomUUID() }, BECAUSE)
  },
  'ResealStore.cancel': async () => {
    const { id } = await reseal('started')
    return () => of(storage.ResealStore).cancel(id, BECAUSE, NOW)
  },
  'ResealStore.giveHeld': async () => {
    const { id } = await reseal('prepared')
    return () => of(storage.ResealStore).giveHeld(id, 0, 1, BECAUSE, NOW)
  },
  'ResealStore.giveStored': async () => {
    const { id } = await reseal('stored')
    return () => of(storage.ResealStore).giveStored(id, 0, 1, BECAUSE, NOW)
  },
  'ResealStore.handOn': async () => {
    const begun = await reseal('prepared')
    return () => advance(begun, 'handed_on')
  },
  'ResealStore.verify': async () => {
    const begun = await reseal('stored')
    return () => advance(begun, 'verified')
  },
  'ResealWorkStore.prepare': async () => {
    const begun = await reseal('started')
    return () => advance(begun, 'prepared')
  },
  'ResealWorkStore.store': async () => {
    const begun = await reseal('handed_on')
    return () => advance(begun, 'stored')
  },
  'ResealWorkStore.put': async () => {
    const { id } = await reseal('verified')
    return () => of(storage.ResealWorkStore).put(id, 1, NOW)
  },
  'ResealWorkStore.complete': async () => {
    const { id } = await reseal('verified')
    await of(storage.ResealWorkStore).put(id, 1, NOW)
    return () => of(storage.ResealWorkStore).complete(id, NOW)
  },
  'RevocationStore.revoke': async () => {
    const serial = await issued()
    return () => of(storage.RevocationStore).revoke(serial, { reason: 1 }, BECAUSE, NOW)
  },
  'RevocationStore.revokeOwn': async () => {
    const serial = await issued()
    return () => of(storage.RevocationStore).revokeOwn(serial, setting.alice, { reason: 1 }, BECAUSE, NOW)
  },
  'RevocationStore.release': async () => {
    const serial = await held()
    return () => of(storage.RevocationStore).release(serial, undefined, BECAUSE, NOW)
  },
  'RevocationStore.orderCrl': async () => () => of(storage.RevocationStore).orderCrl(setting.caId, BECAUSE, NOW),
  'RoleStore.grant': async () => {
    const id = await principal()
    return () => of(storage.RoleStore).grant(id, { role: 'auditor', caId: null, scope: null }, BECAUSE, NOW)
  },
  'RoleStore.revoke': async () => {
    const held = { role: 'auditor', caId: null, scope: null } as const
    const id = await of(storage.RoleStore).grant(await principal(), held, BECAUSE, NOW)
    return () => of(storage.RoleStore).revoke(id, BECAUSE, NOW)
  },
  'SelfIssuedStore.reserve': async () => {
    const between = { caId: setting.caId, issuerIndex: 0, subjectIndex: 0, notAfter: minutes(60), reservedAt: NOW }
    const certificate = { ...between, serialNumber: randomBytes(16), tbs: randomBytes(40) }
    return () => inUnit(unit => of(storage.SelfIssuedStore).reserve(unit, [certificate], BECAUSE))
  },
  'RegistrationStore.receive': async () => {
    const parameters = newClient()
    return () => of(storage.RegistrationStore).receive(...parameters)
  },
  'RegistrationDecisionStore.register': async () => {
    const seen = { smsid: await pendingClient(), status: 'pending' } as const
    const store = of(storage.RegistrationDecisionStore)
    return () => inUnit(unit => store.register(seen, clientFacts(), BECAUSE, NOW, unit))
  },
  'RegistrationDecisionStore.reject': async () => {
    const seen = { smsid: await pendingClient(), status: 'pending' } as const
    return () => inUnit(unit => of(storage.RegistrationDecisionStore).reject(seen, 'no', BECAUSE, NOW, unit))
  },
  'RegistrationDecisionStore.merge': async () => {
    const [id, into] = [await pendingClient(), await registeredClient()]
    return () => inUnit(unit => of(storage.RegistrationDecisionStore).merge(id, into, BECAUSE, NOW, unit))
  },
  'RegistrationDecisionStore.addConflict': async () => {
    const found = await conflict()
    return () => inUnit(unit => of(storage.RegistrationDecisionStore).addConflict(found, BECAUSE, unit))
  },
  'ClientStore.resolveConflict': async () => {
    const found = await conflict()
    await inUnit(unit => of(storage.RegistrationDecisionStore).addConflict(found, BECAUSE, unit))
    return () => inUnit(unit => of(storage.ClientStore).resolveConflict(found.id, 'new', BECAUSE, NOW, unit))
  },
  'ClientStore.setApproval': async () => {
    const id = await registeredClient()
    return () => of(storage.ClientStore).setApproval(id, true, BECAUSE, NOW)
  },
  'ClientStore.setBlocked': async () => {
    const id = await registeredClient()
    return () => of(storage.ClientStore).setBlocked(id, true, BECAUSE, NOW)
  },
  'SiteStore.change': async () => {
    const site = await of(storage.SiteStore).get()
    return () => of(storage.SiteStore).change({ ...site, mode: 'mixed' }, BECAUSE, NOW)
  },
  'SiteStore.addProxy': async () => {
    const added = proxy()
    return () => of(storage.SiteStore).addProxy(added, BECAUSE)
  },
  'SiteStore.removeProxy': async () => {
    const added = proxy()
    await of(storage.SiteStore).addProxy(added, BECAUSE)
    return () => of(storage.SiteStore).removeProxy(added.smsid, BECAUSE, NOW)
  },
  'RecoveryStore.openWindow': async () => {
    const { id, first, second } = await requested()
    await inUnit(unit => of(storage.RecoveryStore).giveApproval(unit, first, {}, BECAUSE))
    await inUnit(unit => of(storage.RecoveryStore).giveApproval(unit, second, {}, BECAUSE))
    return () =>
      inUnit(unit => of(storage.RecoveryStore).openWindow(unit, id, NOW, { releaseUntil: minutes(60) }, BECAUSE))
  },
  'SiteStore.addManagementPoint': async () => {
    const point = {
      id: randomUUID(),
      certificate: randomBytes(40),
      sha256: randomBytes(32),
      keyReference: 'x',
      createdAt: NOW
    }
    return () => of(storage.SiteStore).addManagementPoint(point, BECAUSE)
  },
  'SessionStore.open': async () => () => of(storage.SessionStore).open(session(setting.bob), BECAUSE),
  'SessionStore.revoke': async () => {
    const opened = session(setting.bob)
    await of(storage.SessionStore).open(opened, BECAUSE)
    return () => of(storage.SessionStore).revoke(opened.id, BECAUSE, NOW)
  },
  'TemplateStore.add': async () => () => draft(),
  'TemplateStore.activate': async () => {
    const id = await draft()
    return () => of(storage.TemplateStore).activate(id, SECOND, NOW)
  },
  'TemplateStore.retire': async () => {
    const id = await draft()
    return () => of(storage.TemplateStore).retire(id, BECAUSE, NOW)
  },
  'WebhookStore.stop': async () => {
    const name = await webhook()
    return () => of(storage.WebhookStore).stop(name, NOW, 'gone')
  },
  'WebhookStore.resume': async () => {
    const name = await webhook()
    await of(storage.WebhookStore).stop(name, NOW, 'gone')
    return () => of(storage.WebhookStore).resume(name, BECAUSE, NOW)
  },
  'WebhookStore.retry': async () => {
    const id = randomUUID()
    await client.query(
      `INSERT INTO certkeep.webhook_delivery
         (id, webhook, request_id, event, disposition_message, occurred_at, queue_at, state, ended_at)
       VALUES ($1, 'x', $2, 'issued', '', now(), now(), 'failed', now())`,
      [id, await one('denied')]
    )
    return () => of(storage.WebhookStore).retry(id, BECAUSE, NOW)
  }
}

/** Every method of every store, as `Store.method`. What is private the compiler knows, and the sources say. */
function methods(): readonly string[] {
  const sources = globSync('*.ts', { cwd: SOURCES }).map(file => readFileSync(join(SOURCES, file), 'utf8'))
  const stores = Object.entries(storage).filter(([name]) => name.endsWith('Store') || name === 'AuditLog')
  return stores.flatMap(([name, Store]) => {
    const source = sources.find(text => text.includes(`export class ${name} `)) ?? ''
    const hidden = new Set([...source.matchAll(/^ {2}private (?:async )?(\w+)/gm)].map(([, method]) => method))
    const { prototype } = Store as { readonly prototype: object }
    const own = Object.getOwnPropertyNames(prototype).filter(method => method !== 'constructor')
    return own.filter(method => !hidden.has(method)).map(method => `${name}.${method}`)
  })
}

/** SHA-256 over every row of every table. */
async function digest(): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'certkeep' ORDER BY tablename`
  )
  const hash = createHash('sha256')
  for (const { name } of rows) {
    const text = `SELECT coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '') AS rows FROM certkeep.${name} AS t`
    hash.update(`${name}:${(await client.query<{ rows: string }>(text)).rows[0]?.rows ?? ''}\n`)
  }
  return hash.digest('hex')
}

async function events(): Promise<number> {
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM certkeep.audit_event')
  return Number(rows[0]?.count)
}

describe('what changes the installation', () => {
  it('is known, with its event or with the reason why it has none', () => {
    const known = (name: string): boolean =>
      READING.test(name.split('.')[1] ?? '') || name in WITHOUT_EVENT || name in CHANGES
    expect(methods().filter(name => !known(name))).toEqual([])
    expect([...Object.keys(CHANGES), ...Object.keys(WITHOUT_EVENT)].filter(name => !methods().includes(name))).toEqual(
      []
    )
  })

  it.each(Object.entries(CHANGES))(
    '%s has one event, and does nothing when that cannot be written',
    async (_, entry) => {
      const [prepare, number] = typeof entry === 'function' ? [entry, 1] : entry
      const change = await prepare()
      const before = await digest()
      await client.query('ALTER TABLE certkeep.audit_event ENABLE TRIGGER fail')
      try {
        await expect(change()).rejects.toMatchObject({ code: 'unavailable' })
      } finally {
        await client.query('ALTER TABLE certkeep.audit_event DISABLE TRIGGER fail')
      }
      expect(await digest()).toBe(before)
      const recorded = await events()
      const result = await change()
      expect(result).not.toBe(false)
      expect(await events()).toBe(recorded + number)
      expect(await digest()).not.toBe(before)
    }
  )
})
