import { AppError } from '@app/core'
import { types } from 'pg'

/** PostgreSQL's type number of `bigint` (pg_type.oid). */
const INT8 = 20

const standardParser = types.getTypeParser as (type: number, format?: string) => (value: string) => unknown

/**
 * How column values become JavaScript values on our own connections only: as pg does, save that a `bigint` is a
 * number. What we keep in one (32-bit words, counters) fits; a value that does not is refused instead of rounded.
 */
export const typeParsers = {
  getTypeParser: (type: number, format?: string): ((value: string) => unknown) =>
    type === INT8 && format !== 'binary' ? parseBigint : standardParser(type, format)
} as const

function parseBigint(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new AppError('internal', `The database holds ${text}, too large a number.`)
  return value
}
