import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../logger/logger.js'
import { listenError } from './listen-error.js'
import { closeGracefully } from './shutdown.js'

/** An answer of a plain listener. */
export interface PlainAnswer {
  /** 200 when not given. */
  readonly status?: number
  readonly contentType: string
  readonly body: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
}

/** A request as a plain listener hands it on. */
export interface PlainRequest {
  /** Decoded, without query; never with a `..` segment. */
  readonly path: string
  readonly query: URLSearchParams
}

/** Answers the addresses it knows and leaves others alone by returning undefined. */
export type PlainHandler = (request: PlainRequest) => Promise<PlainAnswer | undefined> | PlainAnswer | undefined

/** A listener without TLS. */
export interface PlainListener {
  /** Starts listening and returns the port, which matters when it was 0. */
  listen(host: string, port: number): Promise<number>
  close(graceMilliseconds: number): Promise<void>
}

/**
 * A plain HTTP listener for public data: GET and HEAD of what its handlers know, tried in order. Everything else
 * answers 404 and says nothing more; a request body is never read.
 */
export function createPlainListener(handlers: readonly PlainHandler[], logger: Logger): PlainListener {
  const server = createServer({ maxHeaderSize: 8 * 1024, requestTimeout: 10_000 }, (request, response) => {
    respond(handlers, request, response).catch((error: unknown) => {
      logger.error({ error, method: request.method }, 'A request on a plain listener failed.')
      if (response.headersSent) response.destroy()
      else send(request, response, { status: 500, contentType: 'text/plain', body: 'Internal error\n' })
    })
  })
  return {
    listen: (host, port) => listen(server, host, port),
    close: grace => closeGracefully(server, () => closeServer(server), grace)
  }
}

const NOT_FOUND: PlainAnswer = { status: 404, contentType: 'text/plain', body: 'Not found\n' }

async function respond(
  handlers: readonly PlainHandler[],
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const read = request.method === 'GET' || request.method === 'HEAD' ? readTarget(request.url ?? '') : undefined
  let answer: PlainAnswer | undefined
  for (const handler of read ? handlers : []) {
    answer = read && (await handler(read))
    if (answer) break
  }
  send(request, response, answer ?? NOT_FOUND)
}

function readTarget(target: string): PlainRequest | undefined {
  const [path = '', query = ''] = target.split('?', 2)
  try {
    const decoded = decodeURIComponent(path)
    if (!decoded.startsWith('/') || decoded.split('/').includes('..')) return undefined
    return { path: decoded, query: new URLSearchParams(query) }
  } catch {
    return undefined
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: PlainAnswer): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
  response.writeHead(answer.status ?? 200, {
    'content-type': answer.contentType,
    'content-length': body.length,
    'x-content-type-options': 'nosniff',
    ...answer.headers
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(listenError(error, host, port))
    }
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    // The only error there is says that it was not listening.
    server.close(() => {
      resolve()
    })
  })
}
