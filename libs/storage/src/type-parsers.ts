import { AppError } from '@app/core'
import pg from 'pg'

/** PostgreSQL's type number of `bigint`. */
const INT8 = pg.types.builtins.INT8

/**
 * How column values become JavaScript values on our own connections only: as pg does, save that a `bigint` is a
 * number. What we keep in one (32-bit words, counters) fits; a value that does not is refused instead of rounded.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((type: number, format?: 'text' | 'binary') =>
    type === INT8 && format !== 'binary'
      ? parseBigint
      : pg.types.getTypeParser(type, format as 'text')) as typeof pg.types.getTypeParser
}

function parseBigint(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new AppError('internal', `The database holds ${text}, too large a number.`)
  return value
}
