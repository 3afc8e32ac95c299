import { isAppError, AppError } from '@app/core'

/**
 * Does something with the directory. What fails of the directory itself is told as callers of RegisterCertificate know
 * it: `MQ_ERROR_NO_DS` when it does not answer, `MQ_ERROR_DS_ERROR` when it refuses.
 */
export async function withDirectory<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isAppError(cause, 'unavailable')) {
      throw new AppError('MQ_ERROR_NO_DS', 'The directory does not answer now; try again.', {}, { cause })
    }
    if (!isAppError(cause) || cause.code === 'internal') {
      throw new AppError(
        'MQ_ERROR_DS_ERROR',
        'The directory has refused the change; nothing has changed.',
        {},
        { cause }
      )
    }
    throw cause
  }
}
