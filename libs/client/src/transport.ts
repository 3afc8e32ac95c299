import { Agent, request as undiciRequest, type Dispatcher } from 'undici'
import { AppError, ERROR_CODES, type ErrorCode } from '@app/core'
import { checkServerName } from './server-name.js'

/** How a caller proves who it is: a bearer token, or a client certificate with its key (PEM). */
export type Credentials =
  { readonly token: string } | { readonly certificate: string; readonly privateKey: string } | undefined

/** Where the server is and what is trusted. */
export interface ConnectionSettings {
  /** The server's HTTPS address, as `https://ca.example.org:8443`. */
  readonly url: string
  /** PEM of the root certificates that the server's certificate must chain to; the system's own roots if absent. */
  readonly trust?: string
  readonly credentials?: Credentials
  /** Milliseconds until an answer is given up, besides what a waiting call waits; 30,000 if absent. */
  readonly timeout?: number
}

/** One call. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** A body that is sent as JSON, instead of {@link body}. */
  readonly json?: unknown
  /** The ETag that the object must still have, for the header If-Match. */
  readonly ifMatch?: string
  /** Seconds that the server is asked to wait, added to the timeout. */
  readonly wait?: number
}

/** A successful answer. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

/**
 * Speaks HTTPS to one server over kept connections. Safe for many calls at a time.
 * Throws `server_unreachable` when there is no answer, else the error that the server's problem details name.
 */
export class Transport {
  private readonly agent: Agent
  private readonly base: URL
  private readonly token: string | undefined
  private readonly timeout: number

  constructor(settings: ConnectionSettings) {
    this.base = parseUrl(settings.url)
    this.timeout = settings.timeout ?? 30_000
    const { credentials } = settings
    this.token = credentials !== undefined && 'token' in credentials ? credentials.token : undefined
    const identity =
      credentials !== undefined && 'certificate' in credentials
        ? { cert: credentials.certificate, key: credentials.privateKey }
        : {}
    const trust = settings.trust === undefined ? {} : { ca: settings.trust }
    this.agent = new Agent({
      connect: { ...trust, ...identity, minVersion: 'TLSv1.2', checkServerIdentity: checkServerName }
    })
  }

  async call(call: Call): Promise<Answer> {
    const { url, limit } = this.prepare(call)
    const answer = await this.exchange(url, call, limit)
    if (answer.status >= 400) throw problemOf(answer, url)
    return answer
  }

  /** A call whose answer is JSON. */
  async json<T>(call: Call): Promise<T> {
    const { body } = await this.call({ ...call, headers: { accept: 'application/json', ...call.headers } })
    return JSON.parse(Buffer.from(body).toString('utf8')) as T
  }

  /** A call whose answer is too long to hold: its body in pieces, as they come. */
  async *stream(call: Call): AsyncGenerator<Uint8Array, void, undefined> {
    const { url, limit } = this.prepare(call)
    const response = await this.send(url, call, limit)
    if (response.statusCode >= 400) {
      const body = new Uint8Array(await response.body.arrayBuffer())
      throw problemOf({ status: response.statusCode, headers: response.headers, body }, url)
    }
    try {
      for await (const piece of response.body) yield piece as Uint8Array
    } catch (cause) {
      throw unreachable(url, cause)
    }
  }

  /** Closes the kept connections. */
  async close(): Promise<void> {
    await this.agent.close()
  }

  private prepare(call: Call): { readonly url: URL; readonly limit: number } {
    const url = new URL(call.path, this.base)
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    return { url, limit: this.timeout + 1000 * (call.wait ?? 0) }
  }

  private async exchange(url: URL, call: Call, limit: number): Promise<Answer> {
    const response = await this.send(url, call, limit)
    try {
      const body = new Uint8Array(await response.body.arrayBuffer())
      return { status: response.statusCode, headers: response.headers, body }
    } catch (cause) {
      throw unreachable(url, cause)
    }
  }

  private async send(url: URL, call: Call, limit: number): Promise<Dispatcher.ResponseData> {
    try {
      return await undiciRequest(url, {
        dispatcher: this.agent,
        method: call.method ?? 'GET',
        headers: {
          ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
          ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(call.ifMatch === undefined ? {} : { 'if-match': call.ifMatch }),
          ...call.headers
        },
        body: call.json === undefined ? (call.body ?? null) : JSON.stringify(call.json),
        headersTimeout: limit,
        bodyTimeout: limit
      })
    } catch (cause) {
      throw unreachable(url, cause)
    }
  }
}

function unreachable(url: URL, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new AppError(
    'server_unreachable',
    `No answer from ${url.origin}: ${reason}. Check the address, that the server runs, and the trusted root certificate.`,
    { url: url.origin },
    { cause }
  )
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'https:') {
    throw new AppError('invalid_argument', `"${text}" is not an https address.`, { url: text })
  }
  return url
}

interface Problem {
  readonly code?: string
  readonly title?: string
  readonly detail?: string
  readonly errors?: readonly { readonly pointer?: string; readonly detail?: string }[]
}

const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'access_denied',
  404: 'not_found',
  405: 'invalid_argument',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'payload_too_large',
  415: 'media_type_unsupported',
  429: 'rate_limited',
  503: 'unavailable'
}

/** The error that a failed answer names. */
export function problemOf(answer: Answer, url: URL): AppError {
  const problem = parseProblem(answer.body)
  const code =
    problem.code !== undefined && Object.hasOwn(ERROR_CODES, problem.code)
      ? (problem.code as ErrorCode)
      : (codesByStatus[answer.status] ?? (answer.status >= 500 ? 'unavailable' : 'invalid_argument'))
  const fields = (problem.errors ?? []).map(error => `${error.pointer ?? ''}: ${error.detail ?? ''}`)
  const detail = problem.detail ?? problem.title ?? `The server answered ${answer.status}.`
  return new AppError(code, [detail, ...fields].join(' '), { status: answer.status, path: url.pathname })
}

function parseProblem(body: Uint8Array): Problem {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
