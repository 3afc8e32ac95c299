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

/** A path that takes a body, of one media type and up to a size. */
export interface PlainPost {
  /** Whether the path is one of these. */
  readonly matches: (path: string) => boolean
  /** In lower case, without parameters. */
  readonly mediaType: string
  readonly maxBytes: number
  readonly handle: (path: string, body: Uint8Array) => Promise<PlainAnswer | undefined> | PlainAnswer | undefined
}

/** A listener without TLS. */
export interface PlainListener {
  /** Starts listening and returns the port, which matters when it was 0. */
  listen(host: string, port: number): Promise<number>
  close(graceMilliseconds: number): Promise<void>
}

/** What a plain listener answers. */
interface Routes {
  readonly handlers: readonly PlainHandler[]
  readonly posts: readonly PlainPost[]
}

/**
 * A plain HTTP listener for public data: GET and HEAD of what its handlers know, tried in order, and POST to the paths
 * named for it. Everything else answers 404 and says nothing more. No body is read but one of the media type and the
 * size that its path takes; 415 and 413 answer others. An answer with an `etag` is not sent to who has it (304).
 */
export function createPlainListener(
  handlers: readonly PlainHandler[],
  logger: Logger,
  posts: readonly PlainPost[] = []
): PlainListener {
  const server = createServer({ maxHeaderSize: 8 * 1024, requestTimeout: 10_000 }, (request, response) => {
    respond({ handlers, posts }, request, response).catch((error: unknown) => {
      // Whoever leaves in the middle of a body gets no answer, and no line: strangers must not fill the log.
      if (request.errored !== null) {
        response.destroy()
        return
      }
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
const TOO_LARGE: PlainAnswer = { status: 413, contentType: 'text/plain', body: 'Too large\n' }
const WRONG_TYPE: PlainAnswer = { status: 415, contentType: 'text/plain', body: 'Wrong media type\n' }

async function respond(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (await answerOf(routes, request)) ?? NOT_FOUND
  // What was not read would be taken for the next request.
  if (request.method === 'POST' && !request.complete) response.setHeader('connection', 'close')
  send(request, response, isUnchanged(request, answer) ? { ...answer, status: 304, body: '' } : answer)
}

async function answerOf({ handlers, posts }: Routes, request: IncomingMessage): Promise<PlainAnswer | undefined> {
  const read = readTarget(request.url ?? '')
  if (read === undefined) return undefined
  if (request.method === 'POST') {
    const post = posts.find(({ matches }) => matches(read.path))
    return post === undefined ? undefined : await answerPost(post, read.path, request)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
  for (const handler of handlers) {
    const answer = await handler(read)
    if (answer) return answer
  }
  return undefined
}

async function answerPost(post: PlainPost, path: string, request: IncomingMessage): Promise<PlainAnswer | undefined> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== post.mediaType) return WRONG_TYPE
  const body = await readBody(request, post.maxBytes)
  return body === undefined ? TOO_LARGE : post.handle(path, body)
}

/** The whole body; undefined, and no more of it is read, when it is longer. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return undefined
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    request.once('error', reject)
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) {
        request.pause()
        request.removeAllListeners('data')
        resolve(undefined)
        return
      }
      chunks.push(chunk)
    })
    request.once('end', () => {
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
  })
}

/** Whether the caller has these bytes already (RFC 9110, 13.1.2). */
function isUnchanged(request: IncomingMessage, answer: PlainAnswer): boolean {
  const etag = answer.headers?.['etag']
  const wanted = request.headers['if-none-match']
  if (etag === undefined || wanted === undefined || (answer.status ?? 200) !== 200) return false
  return wanted.split(',').some(one => one.trim().replace(/^W\//, '') === etag)
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
    ...(answer.status === 304 ? {} : { 'content-type': answer.contentType, 'content-length': body.length }),
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
