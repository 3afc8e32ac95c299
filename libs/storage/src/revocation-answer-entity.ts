import { column, entity } from './entity.js'
import type { RevocationAnswerRow } from './revocation-answer-row.js'

const { integer, bigint, bytes, time, uuid } = column

export const revocationAnswerEntity = entity<RevocationAnswerRow>('revocation_answer', {
  id: { type: 'bigint', primary: true, generated: 'increment' },
  caId: integer,
  requesterId: uuid,
  messageDigest: bytes,
  bodyPartId: bigint,
  transactionId: bytes,
  senderNonce: bytes,
  dataReturn: bytes,
  createdAt: time,
  fullResponse: bytes
})
