import { column, entity, key } from './entity.js'
import type { CredentialRow, EnrollmentSecretRow, PrincipalRow } from './principal-row.js'

const { integer, text, texts, bytes, time, uuid } = column

export const principalEntity = entity<PrincipalRow>('principal', {
  id: key(uuid),
  kind: text,
  sid: text,
  accountName: text,
  domain: text,
  displayName: text,
  distinguishedName: text,
  upn: text,
  mail: text,
  dnsName: text,
  groupNames: texts,
  guid: uuid,
  servicePrincipalNames: texts,
  altSecurityIdentities: texts,
  disabledAt: time,
  createdAt: time
})

export const credentialEntity = entity<CredentialRow>('credential', {
  id: key(uuid),
  principalId: uuid,
  label: text,
  tokenHash: bytes,
  scopes: texts,
  caId: integer,
  expiresAt: time,
  revokedAt: time,
  createdAt: time
})

export const enrollmentSecretEntity = entity<EnrollmentSecretRow>('enrollment_secret', {
  identification: key(text),
  principalId: uuid,
  witnessKey: bytes,
  expiresAt: time,
  usedAt: time
})
