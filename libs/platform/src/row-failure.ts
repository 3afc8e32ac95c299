import { AppError, isAppError } from '@app/core'
import type { Logger } from './logger/logger.js'

/** Causes that pass by themselves: the database, the key store or a device does not answer now. */
const PASSING = ['unavailable', 'key_store_locked', 'database_incompatible'] as const

/** Whether trying again later may succeed without anybody changing the request. */
export function isPassing(error: unknown): boolean {
  return PASSING.some(code => isAppError(error, code))
}

/**
 * Why one row of a batch fails. A defect of the program is logged with its stack and told as no more than that, so that
 * one bad row never holds back its batch. Throws what passes by itself: then the step is tried again.
 */
export function rowFailure(error: unknown, row: { readonly id: number }, log: Logger): AppError {
  if (isPassing(error)) throw error
  if (isAppError(error) && error.code !== 'internal') return error
  log.error({ error, requestId: row.id }, 'A request fails because of a defect of the program.')
  return new AppError(
    'internal',
    'The request could not be processed because of a defect of the program. Its log has the details.'
  )
}
