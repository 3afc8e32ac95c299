import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { AppError } from '@app/core'
import { problemOf, PROBLEM_MEDIA_TYPE } from '../problems/problem.js'

/** What Node's parser of HTTP objects to, in words; anything else is no HTTP. */
const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The address and the headers together are larger than this server takes.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request did not arrive in time.'
}

/**
 * Answers what is no request that a route could be found for, as every other refusal is answered (RFC 9457), and ends the
 * connection, on which nothing that follows could be told apart from it.
 */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  // A client that is gone has nobody to be told.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const reference = randomUUID()
  const reason = REASONS[error.code ?? ''] ?? 'What was sent is no HTTP request.'
  const problem = problemOf(new AppError('invalid_argument', reason), reference)
  const body = Buffer.from(JSON.stringify(problem))
  const head = [
    'HTTP/1.1 400 Bad Request',
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${body.length}`,
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    `x-request-id: ${reference}`,
    'connection: close'
  ]
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
}
