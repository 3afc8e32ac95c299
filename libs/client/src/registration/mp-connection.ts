import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { AppError } from '@app/core'
import { requireServerUnrevoked } from './server-revocation.js'
import { transportErrorOf } from './transport-error.js'

/** How a management point is reached. */
export interface MpTarget {
  readonly host: string
  readonly port: number
  /** `http://host:port` of a proxy on the way. */
  readonly proxy: URL | undefined
  /** With TLS, in native mode. */
  readonly tls: MpTls | undefined
}

/** What the TLS connection of native mode is made with. */
interface MpTls {
  /** PEM of the roots that are trusted; those of the system if undefined. */
  readonly trust: string | undefined
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
  /** Whether the server's certificate is looked up in the CRL, as of this time, before anything is sent. */
  readonly revocationAt: Date | undefined
}

/** A message on its way. */
export interface MpRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What came back. */
export interface MpReply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

const maxReply = 4 * 1024 * 1024

/**
 * Sends one message over a connection of its own and gives the reply. Nothing of the message is sent before the server's
 * certificate has been verified. Throws what {@link transportErrorOf} makes of a failure, and what the look into the
 * CRLs throws.
 */
export async function exchangeWithMp(target: MpTarget, request: MpRequest, signal: AbortSignal): Promise<MpReply> {
  const where = `${target.host}:${target.port}`
  let socket: Socket | undefined
  const end = (): void => void socket?.destroy(timeoutOf(signal))
  signal.addEventListener('abort', end, { once: true })
  try {
    signal.throwIfAborted()
    socket = await open(target, opened => (socket = opened))
    if (target.tls?.revocationAt !== undefined) {
      await requireServerUnrevoked(chainOf(socket as TLSSocket), target.tls.revocationAt, signal)
    }
    return await send(target, request, socket)
  } catch (error) {
    throw transportErrorOf(signal.aborted ? timeoutOf(signal) : error, where)
  } finally {
    signal.removeEventListener('abort', end)
    socket?.destroy()
  }
}

/** Who gave up is told so; else it was the time limit. */
function timeoutOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  if (reason instanceof AppError) return reason
  if (reason instanceof DOMException && reason.name === 'TimeoutError') {
    return Object.assign(new Error('The time limit has passed.'), { code: 'ETIMEDOUT' })
  }
  return new AppError('withdrawn', 'The exchange was given up.', {}, { cause: reason })
}

async function open({ host, port, proxy, tls }: MpTarget, opened: (socket: Socket) => void): Promise<Socket> {
  const first = proxy === undefined ? { host, port } : { host: proxy.hostname, port: Number(proxy.port || 80) }
  const tcp = connectTcp(first)
  opened(tcp)
  await settled(tcp, 'connect')
  if (tls === undefined) return tcp
  if (proxy !== undefined) await tunnel(tcp, `${host}:${port}`)
  const secured = connectTls({
    socket: tcp,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.trust === undefined ? {} : { ca: tls.trust }),
    cert: tls.certificate,
    key: tls.privateKey,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1']
  })
  opened(secured)
  await settled(secured, 'secureConnect')
  return secured
}

function settled(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve())
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('The connection was closed.'), { code: 'ECONNRESET' })))
  })
}

/** Asks a proxy for a connection to the target (RFC 9110, 9.3.6). */
function tunnel(tcp: Socket, authority: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => tcp,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority }
    })
    request.once('connect', ({ statusCode = 0 }) => {
      if (statusCode === 200) return resolve()
      reject(Object.assign(new Error(`The proxy answered ${statusCode}.`), { code: 'ECONNREFUSED' }))
    })
    request.once('error', reject)
    request.end()
  })
}

/** DER of the certificates that the handshake verified, the server's first. */
function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next?.raw !== undefined) {
    const { raw } = next
    if (chain.some(known => raw.equals(known))) break
    chain.push(raw)
    next = next.issuerCertificate
  }
  return chain
}

function send({ host, port, proxy, tls }: MpTarget, request: MpRequest, socket: Socket): Promise<MpReply> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const isForwarded = proxy !== undefined && tls === undefined
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      createConnection: () => socket,
      method: request.method,
      path: isForwarded ? `http://${authority}${request.path}` : request.path,
      headers: { host: authority, ...request.headers, 'content-length': request.body.length, connection: 'close' }
    })
    outgoing.once('error', reject)
    outgoing.once('response', reply => {
      read(reply).then(resolve, reject)
    })
    outgoing.end(request.body)
  })
}

async function read(reply: IncomingMessage): Promise<MpReply> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of reply as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxReply) throw new AppError('payload_too_large', 'The reply of the management point is too large.')
    parts.push(part)
  }
  const headers = Object.entries(reply.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value
  ])
  return {
    status: reply.statusCode ?? 0,
    headers: Object.fromEntries(headers) as MpReply['headers'],
    body: Buffer.concat(parts)
  }
}
