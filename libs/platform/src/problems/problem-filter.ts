import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError, type ErrorCode } from '@app/core'
import type { Logger } from '../logger/logger.js'
import { problemOf, PROBLEM_MEDIA_TYPE, TokenExchangeRefusal, type Problem } from './problem.js'

/** What the framework refuses before any code of ours runs. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'access_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'unavailable',
  409: 'conflict',
  413: 'payload_too_large',
  414: 'invalid_argument',
  415: 'media_type_unsupported',
  429: 'rate_limited',
  431: 'invalid_argument',
  503: 'unavailable'
}

/** Hears of an error that ends a call. */
export type ErrorListener = (error: AppError, request: FastifyRequest) => void

const listeners = new WeakMap<FastifyRequest, ErrorListener>()

/** Says who hears of the errors of a call; only the application does this. */
export function rememberErrorListener(request: FastifyRequest, listener: ErrorListener): void {
  listeners.set(request, listener)
}

/** Tells of an error that ends a part of a call, which is answered itself, as the filter tells of one that ends a call. */
export function tellError(error: AppError, request: FastifyRequest): void {
  listeners.get(request)?.(error, request)
}

/**
 * The one place where errors become HTTP answers (RFC 9457). An {@link AppError} is told as it is. What the framework
 * throws is told by its status. Anything else is a defect: the caller gets a reference, the log the stack.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** @param onError hears of every error before it is answered */
  constructor(
    private readonly logger: Logger,
    private readonly onError: ErrorListener = () => undefined
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    if (thrown instanceof AppError) this.onError(thrown, request)
    answerProblem(thrown, request, http.getResponse<FastifyReply>(), this.logger)
  }
}

/** Answers a request with the problem that the thrown value is; see {@link ProblemFilter}. */
export function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): void {
  const error = appErrorOf(thrown)
  const reference = request.id
  const problem = problemOf(error, reference)
  const place = { reference, method: request.method, route: routeOf(request) }
  if (problem.status >= 500) logger.error({ ...place, error: thrown }, 'A request failed.')
  else logger.debug({ ...place, status: problem.status, code: error.code }, error.message)
  // The answer may have begun, as when a stream fails; the connection is then cut by the server.
  if (reply.sent) return
  // As bytes, since the server would add a charset, which this media type does not have, to text.
  void reply
    .code(problem.status)
    .headers(headersOf(error, problem, reference))
    .send(Buffer.from(JSON.stringify(problem)))
}

/** The pattern of the matched route. The router refuses some requests before there is one. */
export function routeOf(request: FastifyRequest): string {
  const { routeOptions } = request as { readonly routeOptions?: { readonly url?: string | undefined } }
  return routeOptions?.url ?? 'none'
}

function headersOf(error: AppError, problem: Problem, reference: string): Record<string, string> {
  const seconds = error.evidence['retryAfterSeconds']
  const wait = typeof seconds === 'number' ? seconds : problem.status === 503 ? 5 : undefined
  return {
    // Clients of OAuth 2.0 read no other media type (RFC 6749, section 5.2).
    'content-type': error instanceof TokenExchangeRefusal ? 'application/json' : PROBLEM_MEDIA_TYPE,
    'cache-control': 'no-store',
    'x-request-id': reference,
    ...(wait === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(wait))) })
  }
}

function appErrorOf(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown.code === 'internal' ? concealed(thrown) : thrown
  if (thrown instanceof HttpException) {
    const code = CODE_OF_STATUS[thrown.getStatus()]
    if (code !== undefined) return new AppError(code, sentenceOf(code, thrown), {}, { cause: thrown })
  }
  // What Fastify's own router refuses arrives unmapped.
  const { statusCode, message } = (thrown ?? {}) as { readonly statusCode?: unknown; readonly message?: unknown }
  if (typeof statusCode === 'number' && statusCode < 500) {
    const code = CODE_OF_STATUS[statusCode] ?? 'invalid_argument'
    return new AppError(code, sentence(String(message)), {}, { cause: thrown })
  }
  return concealed(thrown)
}

function sentenceOf(code: ErrorCode, thrown: HttpException): string {
  if (code === 'not_found') return 'There is nothing at this address.'
  if (code === 'payload_too_large') return 'The body is larger than this server takes.'
  if (code === 'media_type_unsupported') return 'This route takes another media type than that of the body.'
  return sentence(thrown.message)
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

function concealed(cause: unknown): AppError {
  const message =
    'The server could not do this because of a defect. Its log has the details under the instance given here.'
  return new AppError('internal', message, {}, { cause })
}
