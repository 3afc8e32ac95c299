import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { asPrincipalId, type AgentId, type CaId, type PrincipalId, type RequestId } from '@app/core'
import {
  AgentStore,
  ArchiveStore,
  CaStore,
  type Database,
  type DecisionRow,
  type NewCa,
  type NewCaCertificate,
  type NewPrincipal,
  type NewRequest,
  type NewSealedKey,
  PrincipalStore,
  type RequestMove,
  RequestStore,
  type Reservation,
  type TemplateRow,
  TemplateStore
} from '@app/storage'
import { builtInTemplates } from '@app/templates'
import type { TestDatabase } from './database.js'

/** The moment at which samples are made. */
export const NOW = new Date('2026-11-21T12:00:00.000Z')

/** A moment so many minutes after {@link NOW}. */
export function minutes(later: number): Date {
  return new Date(NOW.getTime() + later * 60_000)
}

/** What samples give as the reason of a change. */
export const BECAUSE = { actor: 'test' } as const

/** The second person, where one is not enough. */
export const SECOND = { actor: 'second' } as const

/** What requests need to exist: a CA that offers an archival template and one that is not, a user and an agent. */
export interface Setting {
  readonly caId: CaId
  readonly archival: TemplateRow
  readonly plain: TemplateRow
  readonly alice: PrincipalId
  readonly bob: PrincipalId
  readonly agentId: AgentId
}

/** Makes a {@link Setting}, each part as the role whose part it is. */
export async function prepareSetting(database: TestDatabase): Promise<Setting> {
  const authority = await database.open('authority')
  const console = await database.open('console')
  const cas = new CaStore(authority.dataSource)
  const caId = await cas.add(caSample(), BECAUSE)
  await cas.addCertificate(caCertificateSample(caId), BECAUSE, NOW)
  const archival = await activeTemplate(console, 'UserEncryption')
  const plain = await activeTemplate(console, 'UserSignature')
  await new CaStore(console.dataSource).offer(caId, [archival.name, plain.name], BECAUSE, NOW)
  const principals = new PrincipalStore(console.dataSource)
  const [alice, bob] = [principalSample('alice'), principalSample('bob')]
  await principals.add(alice, BECAUSE)
  await principals.add(bob, BECAUSE)
  const agentId = await new AgentStore(console.dataSource).add(agentSample(caId), BECAUSE)
  return { caId, archival, plain, alice: alice.id, bob: bob.id, agentId }
}

async function activeTemplate(console: Database, name: string): Promise<TemplateRow> {
  const definition = builtInTemplates().find(template => template.name === name)
  if (definition === undefined) throw new Error(`There is no built-in template ${name}.`)
  const templates = new TemplateStore(console.dataSource)
  const id = await templates.add(definition, BECAUSE, NOW)
  await templates.activate(id, SECOND, NOW)
  return (await templates.find(id)) as TemplateRow
}

export function caSample(changes: Partial<NewCa> = {}): NewCa {
  const name = changes.name ?? 'Test CA'
  return { name, sanitizedName: name, shortName: name, kind: 'root', state: 'active', createdAt: NOW, ...changes }
}

export function caCertificateSample(caId: CaId, changes: Partial<NewCaCertificate> = {}): NewCaCertificate {
  return {
    caId,
    certIndex: 0,
    keyIndex: 0,
    certificate: Buffer.from('certificate of the CA'),
    chain: [],
    request: null,
    keyReference: 'ca-0',
    subject: 'CN=Test CA',
    notBefore: NOW,
    notAfter: minutes(60 * 24 * 3650),
    sha1: randomBytes(20),
    ...changes
  }
}

export function principalSample(accountName: string, changes: Partial<NewPrincipal> = {}): NewPrincipal {
  return {
    id: asPrincipalId(randomUUID()),
    kind: 'user',
    sid: `S-1-5-21-1-2-3-${randomBytes(4).readUInt32BE()}`,
    accountName,
    domain: 'EXAMPLE',
    displayName: accountName,
    distinguishedName: null,
    upn: `${accountName}@example.test`,
    mail: null,
    dnsName: null,
    groupNames: ['Domain Users'],
    createdAt: NOW,
    ...changes
  }
}

export function agentSample(caId: CaId): Parameters<AgentStore['add']>[0] {
  const certificate = randomBytes(40)
  return {
    caId,
    name: 'Agent',
    certificate,
    sha256: createHash('sha256').update(certificate).digest(),
    subject: 'CN=Agent',
    issuer: Buffer.from('issuer'),
    serialNumber: randomBytes(8),
    notBefore: NOW,
    notAfter: minutes(60 * 24 * 365),
    addedAt: NOW
  }
}

/** A request like no other; bytes and digest are random. */
export function requestSample(setting: Setting, changes: Partial<NewRequest> = {}): NewRequest {
  const rawRequest = changes.rawRequest ?? randomBytes(200)
  return {
    caId: setting.caId,
    state: 'received',
    format: 'cmc',
    dialect: 'microsoft',
    rawRequest,
    requestDigest: createHash('sha256').update(rawRequest).digest(),
    requestAttributes: '',
    flags: 0x400,
    rowFlags: 0,
    requesterId: setting.alice,
    requesterName: 'EXAMPLE\\alice',
    callerId: null,
    callerName: null,
    subject: 'CN=alice',
    publicKey: randomBytes(294),
    keyId: randomBytes(20),
    templateName: setting.archival.name,
    carriesKey: false,
    keyHashAlgorithm: null,
    keyHash: null,
    proofDigest: 'sha256',
    bodyPartId: 1,
    transactionId: null,
    senderNonce: null,
    idempotencyKey: null,
    submittedAt: NOW,
    failureCode: null,
    failureMessage: null,
    dispositionMessage: 'Taken Under Submission',
    ...changes
  }
}

/** Records a decision on a request as the owner, without the move that it causes. */
export async function recordDecision(
  database: TestDatabase,
  requestId: RequestId,
  kind: DecisionRow['kind'],
  by: PrincipalId,
  round = 1
): Promise<void> {
  const { dataSource } = await database.open('owner')
  await dataSource.query(
    `INSERT INTO certkeep.request_decision (request_id, round, kind, principal_id, principal_name, at, reason)
     VALUES ($1, $2, $3, $4, 'EXAMPLE\\officer', $5, 'Because.')`,
    [requestId, round, kind, by, NOW]
  )
}

/** Brings requests as far as a state, each step as the role whose step it is. */
export async function requestsIn(
  database: TestDatabase,
  setting: Setting,
  state: 'received' | 'pending' | 'approved' | 'sealed' | 'denied' | 'failed',
  options: { readonly count?: number; readonly archival?: boolean } = {}
): Promise<readonly RequestId[]> {
  const { count = 1, archival = true } = options
  const front = new RequestStore((await database.open('front')).dataSource)
  const ids: RequestId[] = []
  for (let index = 0; index < count; index++) {
    const envelope = { envelope: Buffer.from('enveloped key'), placement: 'unsigned-attribute' } as const
    const request = requestSample(setting, { carriesKey: archival })
    const submitted = await front.submit(request, archival ? envelope : undefined, BECAUSE)
    ids.push(submitted.id)
  }
  if (state === 'received') return ids
  const authority = await database.open('authority')
  const template = archival ? setting.archival : setting.plain
  const refused = state === 'denied' || state === 'failed'
  await moveAll(authority, ids, {
    from: 'received',
    to: state === 'sealed' ? 'approved' : state,
    template,
    ...(refused ? { failure: { code: 'denied_by_officer', message: 'No.' } } : {})
  })
  if (state === 'sealed') await sealAll(await database.open('archive'), setting, ids)
  return ids
}

async function moveAll(
  database: Database,
  ids: readonly RequestId[],
  move: Omit<RequestMove, 'id' | 'because'>
): Promise<void> {
  const requests = new RequestStore(database.dataSource)
  const moves = ids.map(id => ({ ...move, id, because: BECAUSE }))
  await database.transaction(unit => requests.moveAll(unit, moves, NOW))
}

async function sealAll(archive: Database, setting: Setting, ids: readonly RequestId[]): Promise<void> {
  await archive.transaction(async unit => {
    const keys = ids.map(id => sealedKeySample(id, setting))
    await new ArchiveStore(archive.dataSource).seal(unit, keys)
    const moves = ids.map(id => ({ id, from: 'approved', to: 'sealed', because: BECAUSE }) as const)
    await new RequestStore(archive.dataSource).moveAll(unit, moves, NOW)
  })
}

export function sealedKeySample(requestId: RequestId, setting: Setting): NewSealedKey {
  return {
    requestId,
    mode: 'any-agent',
    quorum: 1,
    sealed: Buffer.from('sealed key'),
    keyFormat: 'capi',
    algorithm: 'rsa',
    bits: 2048,
    contentEncryption: 'aes-256-cbc',
    sealedAt: NOW,
    agentIds: [setting.agentId]
  }
}

/** A reservation for a request that is sealed, or that needs no seal when `archival` is false. */
export function reservationSample(
  setting: Setting,
  requestId: RequestId,
  changes: Partial<Reservation> = {}
): Reservation {
  const archival = changes.archival ?? true
  return {
    caId: setting.caId,
    serialNumber: randomBytes(16),
    certIndex: 0,
    requestId,
    archival,
    sealedKeyRequestId: archival ? requestId : null,
    tbs: randomBytes(60),
    subject: 'CN=alice',
    notBefore: NOW,
    notAfter: minutes(60 * 24 * 365),
    keyId: randomBytes(20),
    principalId: setting.alice,
    reservedAt: NOW,
    templateName: archival ? setting.archival.name : setting.plain.name,
    ...changes
  }
}
