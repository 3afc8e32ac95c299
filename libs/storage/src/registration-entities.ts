import { column, entity, key } from './entity.js'
import type {
  ManagementPointRow,
  RegistrationConflictRow,
  RegistrationMessageRow,
  RegistrationProxyRow,
  RegistrationRow,
  SiteRow
} from './registration-row.js'

const { integer, boolean, text, texts, bytes, byteStrings, time, uuid, json } = column

export const registrationEntity = entity<RegistrationRow>('registration', {
  smsid: key(text),
  status: text,
  approval: text,
  blockedAt: time,
  mode: text,
  keyHash: bytes,
  signingCertificate: bytes,
  encryptionCertificate: bytes,
  agentType: integer,
  agentVersion: text,
  agentIdentity: text,
  netbiosName: text,
  fqdn: text,
  hardwareId: text,
  properties: json,
  proxySmsid: text,
  isIntegrated: boolean,
  callerId: uuid,
  principalId: uuid,
  isPrincipalDisabled: boolean,
  mergedInto: text,
  refusal: text,
  requestedAt: time,
  decidedAt: time,
  confirmedAt: time
})

export const registrationMessageEntity = entity<RegistrationMessageRow>('registration_message', {
  id: key(uuid),
  smsid: text,
  kind: text,
  signatureHash: bytes,
  data: text,
  signature: text,
  proxySmsid: text,
  mode: text,
  callerId: uuid,
  isCertified: boolean,
  receivedAt: time,
  state: text
})

export const registrationConflictEntity = entity<RegistrationConflictRow>('registration_conflict', {
  id: key(uuid),
  smsid: text,
  conflictSmsid: text,
  hardwareId: text,
  messageId: uuid,
  foundAt: time,
  resolution: text,
  resolvedAt: time
})

export const siteEntity = entity<SiteRow & { readonly isOnly: boolean }>('configmgr_site', {
  isOnly: key(boolean),
  siteCode: text,
  mode: text,
  approvalMode: text,
  waitMinimumSeconds: integer,
  waitMaximumSeconds: integer,
  replayWindowSeconds: integer,
  isCrlChecked: boolean,
  isSha1Taken: boolean,
  trustedAuthorities: byteStrings,
  trustedDomains: texts,
  version: integer
})

export const registrationProxyEntity = entity<RegistrationProxyRow>('registration_proxy', {
  smsid: key(text),
  name: text,
  certificate: bytes,
  keyHash: bytes,
  importedAt: time,
  removedAt: time
})

export const managementPointEntity = entity<ManagementPointRow>('management_point', {
  id: key(uuid),
  certificate: bytes,
  sha256: bytes,
  keyReference: text,
  createdAt: time,
  retiredAt: time
})

/** The row mappers of client registration. */
export const registrationEntities = [
  siteEntity,
  managementPointEntity,
  registrationProxyEntity,
  registrationEntity,
  registrationMessageEntity,
  registrationConflictEntity
] as const
