import type { AgentRow, EnvelopeRow, ExchangeKeyRow, SealedKeyRow } from './archive-row.js'
import type { AuditRow } from './audit-row.js'
import type { CaCertificateRow, CaRow, CrlRow } from './ca-row.js'
import type { CertificateRow, ResponseRow } from './certificate-row.js'
import type { DecisionRow, EditRow } from './decision-row.js'
import { column, entity, key } from './entity.js'
import { credentialEntity, enrollmentSecretEntity, principalEntity } from './principal-entities.js'
import { operatorEntities } from './operator-entities.js'
import { registrationEntities } from './registration-entities.js'
import { recoveryEntities } from './recovery-entities.js'
import { resealEntity } from './reseal-entity.js'
import type { RequestRow } from './request-row.js'
import { selfIssuedEntity } from './self-issued-entity.js'
import { revocationAnswerEntity } from './revocation-answer-entity.js'
import type { TemplateRow } from './template-row.js'

export { credentialEntity, enrollmentSecretEntity, principalEntity }

const { integer, bigint, boolean, text, texts, bytes, byteStrings, time, uuid, json, serial, computed } = column

export const caEntity = entity<CaRow>('ca', {
  id: serial,
  name: text,
  sanitizedName: text,
  shortName: text,
  kind: text,
  state: text,
  enrollGroups: texts,
  createdAt: time
})

export const caCertificateEntity = entity<CaCertificateRow>('ca_certificate', {
  caId: key(integer),
  certIndex: key(integer),
  keyIndex: integer,
  certificate: bytes,
  chain: byteStrings,
  request: bytes,
  keyReference: text,
  subject: text,
  notBefore: time,
  notAfter: time,
  sha1: bytes
})

export const crlEntity = entity<CrlRow>('crl', {
  caId: key(integer),
  number: key(bigint),
  keyIndex: integer,
  kind: text,
  baseNumber: bigint,
  changes: bigint,
  entries: integer,
  crl: bytes,
  thisUpdate: time,
  nextUpdate: time,
  nextPublish: time
})

export const templateEntity = entity<TemplateRow>('template', {
  id: serial,
  name: text,
  oid: text,
  major: integer,
  minor: integer,
  schemaVersion: integer,
  archival: computed,
  definition: json,
  state: text,
  createdAt: time,
  author: text,
  activatedBy: text,
  activatedAt: time
})

/** That a CA offers a template. */
export const caTemplateEntity = entity<{ readonly caId: number; readonly templateName: string }>('ca_template', {
  caId: key(integer),
  templateName: key(text)
})

export const requestEntity = entity<RequestRow>('request', {
  id: serial,
  caId: integer,
  state: text,
  format: text,
  dialect: text,
  rawRequest: bytes,
  requestDigest: bytes,
  requestAttributes: text,
  flags: bigint,
  rowFlags: bigint,
  requesterId: uuid,
  requesterName: text,
  callerId: uuid,
  callerName: text,
  subject: text,
  publicKey: bytes,
  keyId: bytes,
  templateId: integer,
  templateName: text,
  archival: boolean,
  carriesKey: boolean,
  keyHashAlgorithm: text,
  keyHash: bytes,
  proofDigest: text,
  bodyPartId: bigint,
  transactionId: bytes,
  senderNonce: bytes,
  idempotencyKey: text,
  outOfBand: boolean,
  submittedAt: time,
  resolvedAt: time,
  failureCode: text,
  failureMessage: text,
  dispositionMessage: text,
  leaseUntil: time,
  attempts: integer,
  respondedState: text,
  round: integer,
  pendingUntil: time
})

export const decisionEntity = entity<DecisionRow>('request_decision', {
  id: { type: 'bigint', primary: true, generated: 'increment' },
  requestId: integer,
  round: integer,
  kind: text,
  principalId: uuid,
  principalName: text,
  at: time,
  reason: text
})

export const editEntity = entity<EditRow>('request_edit', {
  decisionId: key(bigint),
  kind: key(text),
  name: key(text),
  attributeValue: text,
  extensionValue: bytes,
  critical: boolean,
  disabled: boolean
})

export const exchangeKeyEntity = entity<ExchangeKeyRow>('exchange_key', {
  id: serial,
  caId: integer,
  keyReference: text,
  publicKey: bytes,
  state: text,
  imported: boolean,
  requestId: integer,
  certificate: bytes,
  issuer: bytes,
  serialNumber: bytes,
  notBefore: time,
  notAfter: time,
  caKeyIndex: integer,
  createdAt: time,
  destroyedAt: time
})

export const agentEntity = entity<AgentRow>('recovery_agent', {
  id: serial,
  caId: integer,
  name: text,
  certificate: bytes,
  sha256: bytes,
  subject: text,
  issuer: bytes,
  serialNumber: bytes,
  notBefore: time,
  notAfter: time,
  state: text,
  addedAt: time,
  retiredAt: time,
  principalId: uuid
})

export const envelopeEntity = entity<EnvelopeRow>('archived_key_envelope', {
  requestId: key(integer),
  envelope: bytes,
  placement: text
})

export const sealedKeyEntity = entity<SealedKeyRow>('sealed_key', {
  requestId: key(integer),
  mode: text,
  quorum: integer,
  sealed: bytes,
  keyFormat: text,
  algorithm: text,
  bits: integer,
  contentEncryption: text,
  sealedAt: time
})

export const certificateEntity = entity<CertificateRow>('certificate', {
  caId: key(integer),
  serialNumber: key(bytes),
  certIndex: integer,
  requestId: integer,
  state: text,
  archival: boolean,
  sealedKeyRequestId: integer,
  tbs: bytes,
  certificate: bytes,
  subject: text,
  notBefore: time,
  notAfter: time,
  sha1: bytes,
  sha256: bytes,
  keyId: bytes,
  principalId: uuid,
  reservedAt: time,
  issuedAt: time,
  revokedAt: time,
  revocationReason: integer,
  invalidityDate: time,
  statusChange: bigint,
  templateName: text
})

export const responseEntity = entity<ResponseRow>('response', {
  requestId: key(integer),
  state: text,
  fullResponse: bytes,
  createdAt: time
})

export const auditEntity = entity<AuditRow>('audit_event', {
  seq: { type: 'bigint', primary: true, generated: 'increment' },
  at: time,
  actor: text,
  action: text,
  objectType: text,
  objectId: text,
  outcome: text,
  detail: json
})

/** Every row mapper, listed. */
export const entities = [
  caEntity,
  caCertificateEntity,
  selfIssuedEntity,
  crlEntity,
  templateEntity,
  caTemplateEntity,
  principalEntity,
  credentialEntity,
  enrollmentSecretEntity,
  ...operatorEntities,
  requestEntity,
  decisionEntity,
  editEntity,
  exchangeKeyEntity,
  agentEntity,
  envelopeEntity,
  sealedKeyEntity,
  resealEntity,
  certificateEntity,
  responseEntity,
  revocationAnswerEntity,
  ...registrationEntities,
  ...recoveryEntities,
  auditEntity
] as const
