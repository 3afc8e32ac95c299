import { column, entity, key } from './entity.js'
import type { ResealRow } from './reseal-row.js'

const { integer, text, time, uuid } = column

export const resealEntity = entity<ResealRow>('reseal', {
  id: key(uuid),
  caId: integer,
  fromAgentId: integer,
  toAgentId: integer,
  fromPrincipalId: uuid,
  toPrincipalId: uuid,
  state: text,
  startedBy: uuid,
  startedByName: text,
  reason: text,
  total: integer,
  preparedUpTo: integer,
  startedAt: time,
  endedAt: time
})
