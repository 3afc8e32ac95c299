import type { SelfIssuedCertificateRow } from './ca-row.js'
import { column, entity, key } from './entity.js'

const { integer, text, bytes, time } = column

export const selfIssuedEntity = entity<SelfIssuedCertificateRow>('self_issued_certificate', {
  caId: key(integer),
  serialNumber: key(bytes),
  issuerIndex: integer,
  subjectIndex: integer,
  state: text,
  tbs: bytes,
  certificate: bytes,
  notAfter: time,
  reservedAt: time
})
