import { DISPOSITIONS, isAppError, type AppError, type ErrorCode } from '@app/core'

/** What the program's exit code tells a script. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  pending: 3,
  denied: 4,
  unauthorized: 5,
  notFound: 6,
  verification: 7,
  unreachable: 8
} as const

/** A value of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const codes: Partial<Record<ErrorCode, ExitCode>> = {
  invalid_argument: EXIT.usage,
  denied_by_officer: EXIT.denied,
  unauthenticated: EXIT.unauthorized,
  access_denied: EXIT.unauthorized,
  role_conflict: EXIT.unauthorized,
  restricted_officer: EXIT.unauthorized,
  enroll_denied: EXIT.unauthorized,
  template_denied: EXIT.unauthorized,
  MQ_ERROR_ACCESS_DENIED: EXIT.unauthorized,
  MQ_ERROR_CANNOT_IMPERSONATE_CLIENT: EXIT.unauthorized,
  MQ_ERROR_QUEUE_NOT_FOUND: EXIT.notFound,
  not_found: EXIT.notFound,
  conflict: EXIT.notFound,
  precondition_failed: EXIT.notFound,
  approver_excluded: EXIT.unauthorized,
  file_exists: EXIT.notFound,
  idempotency_mismatch: EXIT.notFound,
  chain_invalid: EXIT.verification,
  reply_signature_invalid: EXIT.verification,
  server_certificate_revoked: EXIT.verification,
  revocation_offline: EXIT.verification,
  registration_refused: EXIT.denied,
  reply_missing: EXIT.unreachable,
  server_unreachable: EXIT.unreachable
}

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!isAppError(error)) return EXIT.failure
  if (error.code === 'response_status') return exitCodeOfStatus(error)
  return codes[error.code] ?? (error.code.startsWith('response_') ? EXIT.verification : EXIT.failure)
}

/** A response that verifies and says "pending" or "failed" is as good an answer as the same disposition. */
function exitCodeOfStatus({ evidence }: AppError): ExitCode {
  switch (evidence['status']) {
    case 'pending':
      return EXIT.pending
    case 'failed':
      return EXIT.denied
    default:
      return EXIT.verification
  }
}

/** The exit code for what became of a request. */
export function exitCodeOfDisposition(disposition: number): ExitCode {
  switch (disposition) {
    case DISPOSITIONS.issued:
    case DISPOSITIONS.issued_out_of_band:
      return EXIT.ok
    case DISPOSITIONS.under_submission:
    case DISPOSITIONS.incomplete:
      return EXIT.pending
    case DISPOSITIONS.denied:
      return EXIT.denied
    default:
      return EXIT.failure
  }
}
