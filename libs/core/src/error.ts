import type { ErrorCode } from './error-codes.js'

/** Facts that help to find the cause: names, positions, sizes, expected and found. Never a secret. */
export type Evidence = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * The one error of the program. `message` says what is wrong, where, and what to do.
 * Anything else that is thrown is a defect and is answered as an internal error.
 */
export class AppError extends Error {
  override readonly name = 'AppError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly evidence: Evidence = {},
    options: { readonly cause?: unknown } = {}
  ) {
    super(message, options)
  }
}

/** Whether a thrown value is an AppError, of the given code when one is named. */
export function isAppError(value: unknown, code?: ErrorCode): value is AppError {
  return value instanceof AppError && (code === undefined || value.code === code)
}

/** What `work` returns; undefined when it throws an AppError. Everything else that it throws is thrown on. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}
