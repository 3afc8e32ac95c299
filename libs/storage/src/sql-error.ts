import { AppError, isAppError } from '@app/core'

/** SQLSTATEs, whole or as classes, after which the same statement may succeed (PostgreSQL manual, appendix A). */
const PASSING = ['08', '53', '57P01', '57P02', '57P03', '57014', '25P03', '25P04', '40001', '40P01', '55P03']

/** SQLSTATEs, whole or as classes, of a connection that will not do: authorization, no such database. */
const REFUSING = ['28', '3D000']

/** SQLSTATEs of text that is no Unicode or has U+0000, and of numbers, times and UUIDs that are none or too large. */
const UNSTORABLE = new Set(['22021', '22P05', '22P02', '22003', '22007', '22008'])

/** What Node reports of a connection that cannot be made or breaks. */
const CONNECTION_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'])

/** What Node reports of a certificate or a handshake that fails. */
const UNTRUSTED_CODE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_)/

/** What pg says of a server without TLS where it is demanded. */
const UNTRUSTED_MESSAGE = /does not support SSL/

/** What pg says of a connection that cannot be made or breaks, where it gives no code. */
const CONNECTION_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|not queryable|client was closed|query runner already released/i

/** What pg and the database tell of an error. */
interface Reported {
  readonly code?: unknown
  readonly message?: unknown
  readonly constraint?: unknown
  readonly table?: unknown
  readonly driverError?: unknown
}

/**
 * An error of the database as one of ours: `unavailable` when trying again may help, `database_incompatible` when the
 * database lets the role not in or its TLS will not do, `conflict` for a value that must be unique and is not,
 * `invalid_argument` for one that cannot be kept, else `internal`. Nothing of the statement's parameters gets into it:
 * the errors of pg and TypeORM carry rows and parameters, which may be secret, so they are not kept as the cause.
 */
export function toAppError(error: unknown): AppError {
  if (isAppError(error)) return error
  const reported = reportedBy(error)
  const code = typeof reported.code === 'string' ? reported.code : ''
  const message = typeof reported.message === 'string' ? reported.message : String(error)
  const evidence = { sqlstate: code, ...textOf('constraint', reported), ...textOf('table', reported) }
  const options = { cause: causeOf(error, message) }
  if (isPassing(code, message)) {
    return new AppError('unavailable', `The database does not answer now: ${message}. Try again.`, evidence, options)
  }
  if (REFUSING.some(refusing => code.startsWith(refusing))) {
    const text = `The database refuses the connection: ${message}. Check its address, its name, the role and the password.`
    return new AppError('database_incompatible', text, evidence, options)
  }
  if (UNTRUSTED_CODE.test(code) || UNTRUSTED_MESSAGE.test(message)) {
    const text = `The connection to the database is not secure: ${message}. Check sslmode and sslrootcert of its URL.`
    return new AppError('database_incompatible', text, evidence, options)
  }
  if (code === '23505') {
    return new AppError('conflict', `The database has this already: ${message}.`, evidence, options)
  }
  if (UNSTORABLE.has(code)) {
    return new AppError('invalid_argument', `The database cannot hold a value: ${message}.`, evidence, options)
  }
  return new AppError('internal', `The database refused a statement: ${message}.`, evidence, options)
}

/** TypeORM wraps the driver's error. */
function reportedBy(error: unknown): Reported {
  if (typeof error !== 'object' || error === null) return {}
  const outer: Reported = error
  return typeof outer.driverError === 'object' && outer.driverError !== null ? outer.driverError : outer
}

function isPassing(code: string, message: string): boolean {
  if (code === '') return CONNECTION_MESSAGES.test(message)
  return CONNECTION_CODES.has(code) || PASSING.some(passing => code.startsWith(passing))
}

function textOf(member: 'constraint' | 'table', reported: Reported): Readonly<Record<string, string>> {
  const value = reported[member]
  return typeof value === 'string' ? { [member]: value } : {}
}

/** The message and the stack, and nothing else. */
function causeOf(error: unknown, message: string): Error {
  const cause = new Error(message)
  if (error instanceof Error && error.stack !== undefined) cause.stack = error.stack
  return cause
}
