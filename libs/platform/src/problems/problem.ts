import { z } from 'zod'
import { AppError, type ErrorCode } from '@app/core'
import { formatHresult, hresultOf } from '@app/cmc'
import { HTTP_PROBLEMS } from './http-status.js'

/** One wrong member of a request, by its JSON pointer (RFC 6901); an empty pointer is the whole body. */
const problemDetail = z.object({ pointer: z.string(), detail: z.string() })

/** The form of one of {@link problemSchema}'s `errors`. */
export type ProblemDetail = Readonly<z.infer<typeof problemDetail>>

/** The body of an `application/problem+json` answer (RFC 9457, section 3). */
export const problemSchema = z.object({
  type: z.string().describe('A URN that names the kind of problem.'),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string().describe('What is wrong with this call and what to do.'),
  instance: z.string().describe('A URN that names this occurrence, in the log of the server too.'),
  code: z.string().describe('The kind of problem, as the reference of errors lists it.'),
  hresult: z.string().regex(/^0x[0-9a-f]{8}$/),
  retryable: z.boolean().describe('Whether the same call may succeed later.'),
  errors: z.array(problemDetail).optional().describe('Each wrong member of the call.'),
  error: z
    .string()
    .optional()
    .describe('Of an exchange of tokens alone: the code of OAuth 2.0 (RFC 6749, section 5.2).'),
  error_description: z.string().optional().describe('Beside `error`: as `detail`.')
})

/** The form of {@link problemSchema}. */
export interface Problem extends Readonly<Omit<z.infer<typeof problemSchema>, 'errors'>> {
  readonly code: ErrorCode
  readonly errors?: readonly ProblemDetail[]
}

/** The media type of {@link Problem}. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** Several things wrong with one request; the code is `invalid_argument`. */
export class InvalidRequest extends AppError {
  constructor(readonly errors: readonly ProblemDetail[]) {
    const list = errors.map(({ pointer, detail }) => `${pointer || 'the body'}: ${detail}`)
    super('invalid_argument', `The request is not valid. ${list.join('; ').replace(/\.?$/, '.')}`, {
      errors: errors.length
    })
  }
}

/** A refused exchange of tokens, told in the terms of OAuth 2.0 too, by which its clients go (RFC 8693, section 2.2.2). */
export class TokenExchangeRefusal extends AppError {
  constructor(
    code: ErrorCode,
    message: string,
    /** Of RFC 6749, section 5.2. */
    readonly error: 'invalid_request' | 'unsupported_grant_type' = 'invalid_request'
  ) {
    super(code, message)
  }
}

/** What a caller is told of an error. `reference` names this one occurrence, here and in the log. */
export function problemOf(error: AppError, reference: string): Problem {
  const { status, title, retryable } = HTTP_PROBLEMS[error.code]
  return {
    type: `urn:certkeep:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    instance: `urn:certkeep:occurrence:${reference}`,
    code: error.code,
    hresult: formatHresult(hresultOf(error.code).value),
    retryable,
    ...(error instanceof InvalidRequest ? { errors: error.errors } : {}),
    ...(error instanceof TokenExchangeRefusal ? { error: error.error, error_description: error.message } : {})
  }
}

/** A path of keys as a JSON pointer (RFC 6901, section 3). */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map(key => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
