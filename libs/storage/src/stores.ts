import type { AgentId, CaId, ExchangeKeyId, PrincipalId, RequestId, RequestState, TemplateId } from '@app/core'
import type { CertificateTemplate } from '@app/templates'
import type { DataSource, DataSourceOptions } from 'typeorm'
import type { AgentRow, EnvelopeRow, ExchangeKeyRow, SealedKeyRow } from './archive-row.js'
import type { AuditEvent, AuditObject, AuditRow, Because } from './audit-row.js'
import type { CaCertificateRow, CaRow, CrlRow } from './ca-row.js'
import type { CertificateRow, CertificateSummary, CrlEntryRow, ResponseRow } from './certificate-row.js'
import type { CredentialRow, EnrollmentSecretRow, PrincipalRow } from './principal-row.js'
import type { RequestForSealing, RequestFormat, RequestRow, RequestSummary } from './request-row.js'
import type { TemplateRow } from './template-row.js'

export type ProcessRole = 'front' | 'console' | 'authority' | 'archive'

/** Either `url` or `host` (a name, or the directory of a Unix socket), `port` and `database`. */
export interface ConnectionSettings {
  readonly url?: string
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user: string
  readonly password?: string
  readonly applicationName: string
  readonly poolSize: number
}
export declare function databaseUser(role: ProcessRole): string
export declare function dataSourceOptions(settings: ConnectionSettings): DataSourceOptions
export declare function openDatabase(settings: ConnectionSettings): Promise<Database>
/** Creates the four roles or renews their passwords. */
export declare function ensureRoles(
  owner: ConnectionSettings,
  passwords: Readonly<Record<ProcessRole, string>>
): Promise<void>
/** Brings the schema up to the program's version. */
export declare function migrate(owner: ConnectionSettings): Promise<{ readonly applied: readonly string[] }>
/** Throws `database_incompatible` unless the schema is exactly the program's. */
export declare function verifySchema(dataSource: DataSource): Promise<void>

declare const open: unique symbol
/** An open transaction; only valid inside the work it was given to. */
export interface Unit {
  readonly [open]: true
}
export declare class Database {
  constructor(dataSource: DataSource)
  readonly dataSource: DataSource
  /** Commits what work did; rolls everything back when it throws. */
  transaction<T>(work: (unit: Unit) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface Page<Row, Cursor> {
  readonly rows: readonly Row[]
  /** Give it to the next call; absent on the last page. */
  readonly next?: Cursor
}

// ------------------------------------------------------------------ requests
/** state 'received' needs no failure; 'denied' and 'failed' need one. */
export interface NewRequest extends Pick<
  RequestRow,
  | 'caId'
  | 'dialect'
  | 'rawRequest'
  | 'requestDigest'
  | 'requestAttributes'
  | 'flags'
  | 'rowFlags'
  | 'requesterId'
  | 'requesterName'
  | 'subject'
  | 'publicKey'
  | 'keyId'
  | 'templateName'
  | 'carriesKey'
  | 'keyHashAlgorithm'
  | 'keyHash'
  | 'proofDigest'
  | 'bodyPartId'
  | 'transactionId'
  | 'senderNonce'
  | 'idempotencyKey'
  | 'submittedAt'
  | 'failureCode'
  | 'failureMessage'
  | 'dispositionMessage'
> {
  readonly format: RequestFormat
  readonly state: 'received' | 'denied' | 'failed'
}
export interface Submitted {
  readonly id: RequestId
  readonly state: RequestState
  /** False when the same request had been submitted before; then id and state are the earlier one's. */
  readonly fresh: boolean
}
export interface RequestMove {
  readonly id: RequestId
  readonly from: RequestState
  readonly to: RequestState
  readonly because: Because
  /** Set once: the template version that the request was judged by. */
  readonly template?: Pick<TemplateRow, 'id' | 'name' | 'archival'>
  readonly subject?: string
  readonly rowFlags?: number
  readonly outOfBand?: boolean
  /** For denied and failed; any other move clears it. */
  readonly failure?: { readonly code: string; readonly message: string }
  readonly dispositionMessage?: string
  /** The full response for the new state is stored in the same transaction. */
  readonly responded?: boolean
}
export interface RequestFilter {
  readonly caId?: CaId
  readonly states?: readonly RequestState[]
  readonly requesterId?: PrincipalId
  readonly templateName?: string
  readonly keyId?: Uint8Array
  readonly submittedFrom?: Date
  readonly submittedUntil?: Date
}
/** evaluate: received. seal: approved, archival. issue: approved and not archival, or sealed. respond: pending, issued, denied or failed without a full response for that state. */
export type Step = 'evaluate' | 'seal' | 'issue' | 'respond'
export interface ClaimedRows {
  readonly evaluate: RequestRow
  readonly seal: RequestForSealing
  readonly issue: RequestRow
  readonly respond: RequestRow
}
export declare class RequestStore {
  constructor(dataSource: DataSource)
  /** One transaction: row, envelope, audit event. idempotency_mismatch, replayed_transaction. */
  submit(
    request: NewRequest,
    envelope: Omit<EnvelopeRow, 'requestId'> | undefined,
    because: Because
  ): Promise<Submitted>
  find(id: RequestId): Promise<RequestRow | undefined>
  /** Throws not_found. */
  get(id: RequestId): Promise<RequestRow>
  /** Newest first. */
  list(filter: RequestFilter, limit: number, cursor?: RequestId): Promise<Page<RequestSummary, RequestId>>
  /** Locks up to limit rows that are due, in order of their numbers, while work runs; others skip them. Work is not called when there are none. */
  withClaimed<S extends Step>(
    step: S,
    options: { readonly limit: number; readonly now: Date },
    work: (rows: readonly ClaimedRows[S][], unit: Unit) => Promise<void>
  ): Promise<number>
  /** Compare-and-set of all rows and one audit event each, in one statement. Returns the ids that won. Lease and attempts are reset. */
  moveAll(unit: Unit, moves: readonly RequestMove[], now: Date): Promise<ReadonlySet<RequestId>>
  /** In a transaction of its own unless a unit is given. Whether it won. */
  move(move: RequestMove, now: Date, unit?: Unit): Promise<boolean>
  /** No step claims the rows before `until`; counts one attempt. */
  lease(unit: Unit, ids: readonly RequestId[], until: Date): Promise<void>
  /** front only: pending -> denied by its own requester. Whether it won. */
  withdraw(id: RequestId, requesterId: PrincipalId, because: Because, now: Date): Promise<boolean>
  /** When the next row is due for a step: now or earlier, when a lease ends, or never. */
  nextDue(step: Step): Promise<Date | undefined>
  countByState(): Promise<Readonly<Record<RequestState, number>>>
}

// ------------------------------------------------------------------ certificates
export type Reservation = Pick<
  CertificateRow,
  | 'caId'
  | 'serialNumber'
  | 'certIndex'
  | 'requestId'
  | 'archival'
  | 'sealedKeyRequestId'
  | 'tbs'
  | 'subject'
  | 'notBefore'
  | 'notAfter'
  | 'keyId'
  | 'principalId'
  | 'reservedAt'
>
export interface IssuedCertificate {
  readonly caId: CaId
  readonly serialNumber: Uint8Array
  readonly certificate: Uint8Array
  readonly sha1: Uint8Array
  readonly sha256: Uint8Array
  readonly issuedAt: Date
}
export interface SerialNumberOf {
  readonly caId: CaId
  readonly serialNumber: Uint8Array
}
export interface CertificateFilter {
  readonly caId?: CaId
  readonly principalId?: PrincipalId
  readonly keyId?: Uint8Array
  readonly requestId?: RequestId
  readonly revoked?: boolean
  readonly notAfterFrom?: Date
  readonly notAfterUntil?: Date
}
export declare class CertificateStore {
  constructor(dataSource: DataSource)
  /** conflict when a serial number is taken or a request has another reservation. */
  reserve(unit: Unit, reservations: readonly Reservation[]): Promise<void>
  findReserved(requestIds: readonly RequestId[], unit?: Unit): Promise<readonly CertificateRow[]>
  /** reserved -> issued, all or conflict. */
  finish(unit: Unit, certificates: readonly IssuedCertificate[]): Promise<void>
  /** reserved -> abandoned, with an audit event each; the serial number goes on the CRLs. */
  abandon(unit: Unit, serials: readonly SerialNumberOf[], because: Because, now: Date): Promise<void>
  findBySerial(caId: CaId, serialNumber: Uint8Array): Promise<CertificateRow | undefined>
  /** sha1 (20 bytes) or sha256 (32 bytes). */
  findByFingerprint(fingerprint: Uint8Array): Promise<CertificateRow | undefined>
  /** The issued one. */
  findByRequest(requestId: RequestId): Promise<CertificateRow | undefined>
  /** Every issued certificate for a key, newest first. */
  listByKey(keyId: Uint8Array): Promise<readonly CertificateSummary[]>
  /** Newest first; the cursor is opaque. */
  list(filter: CertificateFilter, limit: number, cursor?: string): Promise<Page<CertificateSummary, string>>
  /** Moves request issued -> revoked and marks the certificate; whether it won. */
  revoke(serial: SerialNumberOf, reason: number, because: Because, now: Date): Promise<boolean>
  /** Only from reason 6 (certificateHold). */
  unrevoke(serial: SerialNumberOf, because: Because, now: Date): Promise<boolean>
  /** Revoked and abandoned of a CA key that have not ended at `now`, by serial number. */
  listForCrl(caId: CaId, keyIndex: number, now: Date): Promise<readonly CrlEntryRow[]>
}
export declare class ResponseStore {
  constructor(dataSource: DataSource)
  /** Stores or replaces; marks requests that are still in that state as responded. */
  put(unit: Unit, responses: readonly ResponseRow[]): Promise<void>
  find(requestId: RequestId): Promise<ResponseRow | undefined>
}
export declare class CrlStore {
  constructor(dataSource: DataSource)
  nextNumber(caId: CaId): Promise<number>
  /** conflict unless the number is higher than every earlier one. */
  add(crl: CrlRow, because: Because): Promise<void>
  /** Of the newest key unless a key is named. */
  findLatest(caId: CaId, keyIndex?: number): Promise<CrlRow | undefined>
}

// ------------------------------------------------------------------ archive
export interface NewSealedKey extends SealedKeyRow {
  readonly agentIds: readonly AgentId[]
}
export declare class ArchiveStore {
  constructor(dataSource: DataSource)
  readEnvelopes(unit: Unit, ids: readonly RequestId[]): Promise<ReadonlyMap<RequestId, EnvelopeRow>>
  /** Stores the sealed keys and deletes their envelopes; one statement. conflict when one was sealed before. */
  seal(unit: Unit, keys: readonly NewSealedKey[]): Promise<void>
  /** For requests that failed. */
  dropEnvelopes(unit: Unit, ids: readonly RequestId[]): Promise<void>
  /** archive only. */
  findSealed(requestId: RequestId): Promise<NewSealedKey | undefined>
  /** authority and archive: which of them have a sealed key. */
  listSealed(ids: readonly RequestId[], unit?: Unit): Promise<ReadonlySet<RequestId>>
  /** Deletes envelopes of requests that were denied or failed before the given time. */
  purgeEnvelopes(resolvedBefore: Date, limit: number): Promise<number>
}
export type NewExchangeKey = Pick<ExchangeKeyRow, 'caId' | 'keyReference' | 'publicKey' | 'imported' | 'createdAt'>
export type ExchangeCertificate = {
  readonly [K in 'certificate' | 'issuer' | 'serialNumber' | 'notBefore' | 'notAfter']: NonNullable<ExchangeKeyRow[K]>
} & { readonly requestId: RequestId | null }
export declare class ExchangeKeyStore {
  constructor(dataSource: DataSource)
  add(key: NewExchangeKey, because: Because, unit?: Unit): Promise<ExchangeKeyId>
  find(id: ExchangeKeyId): Promise<ExchangeKeyRow | undefined>
  list(caId: CaId): Promise<readonly ExchangeKeyRow[]>
  /** Those of every CA in the state. */
  listInState(state: ExchangeKeyRow['state']): Promise<readonly ExchangeKeyRow[]>
  /** Certified and within its validity; the one that ends last. */
  findCurrent(caId: CaId, now: Date): Promise<ExchangeKeyRow | undefined>
  /** By what a RecipientInfo names; destroyed ones included. */
  findByRecipient(issuer: Uint8Array, serialNumber: Uint8Array): Promise<ExchangeKeyRow | undefined>
  /** generated -> requested */
  request(id: ExchangeKeyId, requestId: RequestId, because: Because, now: Date, unit?: Unit): Promise<boolean>
  /** generated or requested -> certified */
  certify(
    id: ExchangeKeyId,
    certificate: ExchangeCertificate,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<boolean>
  /** any -> destroyed */
  destroy(id: ExchangeKeyId, because: Because, now: Date): Promise<boolean>
}
export type NewAgent = Omit<AgentRow, 'id' | 'state' | 'retiredAt'>
export declare class AgentStore {
  constructor(dataSource: DataSource)
  /** conflict when the CA has this certificate. */
  add(agent: NewAgent, because: Because): Promise<AgentId>
  list(caId: CaId): Promise<readonly AgentRow[]>
  /** Active and within their validity, in the order they were added. */
  listUsable(caId: CaId, now: Date): Promise<readonly AgentRow[]>
  retire(id: AgentId, because: Because, now: Date): Promise<boolean>
}

// ------------------------------------------------------------------ administration
export type NewCa = Omit<CaRow, 'id'>
export interface CaSigningCertificate {
  readonly certificate: Uint8Array
  readonly chain: readonly Uint8Array[]
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Uint8Array
}
export declare class CaStore {
  constructor(dataSource: DataSource)
  add(ca: NewCa, because: Because, unit?: Unit): Promise<CaId>
  list(): Promise<readonly CaRow[]>
  find(id: CaId): Promise<CaRow | undefined>
  /** By name, sanitized name or short name, case ignored. */
  findByName(name: string): Promise<CaRow | undefined>
  addCertificate(certificate: CaCertificateRow, unit?: Unit): Promise<void>
  /** Fills in the certificate that was awaited and makes the CA active. */
  activate(
    caId: CaId,
    certIndex: number,
    certificate: CaSigningCertificate,
    because: Because,
    now: Date
  ): Promise<boolean>
  /** By certIndex. */
  listCertificates(caId: CaId): Promise<readonly CaCertificateRow[]>
  /** Makes exactly these templates the ones that the CA offers. */
  offer(caId: CaId, templateNames: readonly string[], because: Because, now: Date): Promise<void>
}
export declare class TemplateStore {
  constructor(dataSource: DataSource)
  /** As a draft. conflict when this version of the name exists. */
  add(template: CertificateTemplate, because: Because, now: Date, unit?: Unit): Promise<TemplateId>
  /** draft or retired -> active; the version that was active is retired. */
  activate(id: TemplateId, because: Because, now: Date, unit?: Unit): Promise<boolean>
  retire(id: TemplateId, because: Because, now: Date): Promise<boolean>
  find(id: TemplateId): Promise<TemplateRow | undefined>
  findActive(name: string): Promise<TemplateRow | undefined>
  list(): Promise<readonly TemplateRow[]>
  /** The active templates that a CA offers, by name. */
  listOffered(caId: CaId): Promise<readonly TemplateRow[]>
}
export type NewPrincipal = Omit<PrincipalRow, 'disabledAt'>
export type NewCredential = Omit<CredentialRow, 'revokedAt'>
export declare class PrincipalStore {
  constructor(dataSource: DataSource)
  add(principal: NewPrincipal, because: Because, unit?: Unit): Promise<void>
  find(id: PrincipalId): Promise<PrincipalRow | undefined>
  findByAccount(domain: string, accountName: string): Promise<PrincipalRow | undefined>
  list(limit: number, cursor?: PrincipalId): Promise<Page<PrincipalRow, PrincipalId>>
  disable(id: PrincipalId, because: Because, now: Date): Promise<boolean>
  addCredential(credential: NewCredential, because: Because, unit?: Unit): Promise<void>
  /** A credential that is neither revoked nor past its end, of a principal that is not disabled. */
  findByToken(
    tokenHash: Uint8Array,
    now: Date
  ): Promise<{ readonly principal: PrincipalRow; readonly credential: CredentialRow } | undefined>
  listCredentials(principalId: PrincipalId): Promise<readonly CredentialRow[]>
  revokeCredential(id: string, because: Because, now: Date): Promise<boolean>
  addSecret(secret: Omit<EnrollmentSecretRow, 'usedAt'>, because: Because, now: Date): Promise<void>
  /** Unused and not past its end. */
  findSecret(identification: string, now: Date): Promise<EnrollmentSecretRow | undefined>
  /** Whether this call was the one that used it up. */
  useSecret(identification: string, now: Date): Promise<boolean>
}
export interface AuditFilter {
  readonly objectType?: AuditObject
  readonly objectId?: string
  readonly actor?: string
  readonly action?: string
  readonly from?: Date
  readonly until?: Date
}
export declare class AuditLog {
  constructor(dataSource: DataSource)
  append(events: readonly AuditEvent[], unit?: Unit): Promise<void>
  /** console only; newest first. */
  list(filter: AuditFilter, limit: number, cursor?: number): Promise<Page<AuditRow, number>>
}
