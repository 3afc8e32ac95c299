import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { Logger } from '../logger/logger.js'
import { listenError } from './listen-error.js'
import { LISTENER_TLS, secureContextOf, type ServerTls } from './server-tls.js'
import { closeGracefully } from './shutdown.js'

/** What a {@link SideListener} is made of. */
export interface SideListenerOptions {
  /** Which addresses of the application are served here, by their path; others answer 404. */
  readonly serves: (path: string) => boolean
  /** With it the listener speaks TLS, and only with who shows a client certificate. */
  readonly tls?: ServerTls
  /**
   * What the first octets of a connection are changed to before HTTP is read; `more` when that needs more of them. For
   * clients whose HTTP the server would not understand.
   */
  readonly rewrite?: (start: Uint8Array) => Uint8Array | 'more'
  readonly logger: Logger
}

/** Another listener of an application, for some of its addresses. */
export interface SideListener {
  /** Starts listening and returns the port, which matters when it was 0. */
  listen(host: string, port: number): Promise<number>
  /** Uses this key and certificate for connections from now on; does nothing without TLS. */
  renew(tls: ServerTls): void
  close(graceMilliseconds: number): Promise<void>
}

/** How long a connection may take to send its first octets. */
const patience = 10_000

/** A listener beside the one of HTTPS, for addresses of the same application. Not listening yet. */
export function createSideListener(app: NestFastifyApplication, options: SideListenerOptions): SideListener {
  const { tls, logger } = options
  const http = httpServerOf(app, options)
  const accept = (socket: Socket): void => {
    begin(socket, http, options.rewrite)
  }
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', error => logger.debug({ error }, 'A connection of a side listener failed.'))
  }
  const server = tls === undefined ? createTcpServer(accept) : secureServer(tls, accept)
  server.on('connection', keep)
  return {
    listen: (host, port) => listen(server, host, port),
    renew: next => {
      if (tls !== undefined) (server as TlsServer).setSecureContext(secureContextOf(next))
    },
    close: async grace => {
      const ended = new Promise<void>(resolve => void server.close(() => resolve()))
      // Connections are handed to the HTTP server, which ends the idle ones.
      await closeGracefully(http, () => ended, grace)
      for (const socket of sockets) socket.destroy()
    }
  }
}

function httpServerOf(app: NestFastifyApplication, { serves }: SideListenerOptions): HttpServer {
  const fastify = app.getHttpAdapter().getInstance()
  return createHttpServer({ maxHeaderSize: 16 * 1024, requestTimeout: 30_000 }, (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1)
    if (serves(path)) return fastify.routing(request, response)
    response.writeHead(404, { 'content-type': 'text/plain', 'x-content-type-options': 'nosniff', connection: 'close' })
    response.end('Not found\n')
  })
}

/** Who a client certificate stands for is looked up where the message is checked; none at all ends the connection. */
function secureServer(tls: ServerTls, accept: (socket: Socket) => void): TlsServer {
  const server = createTlsServer({ ...LISTENER_TLS, ...secureContextOf(tls) })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.getPeerX509Certificate() === undefined) socket.destroy()
    else accept(socket)
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

/** Hands a connection to the HTTP server, with its first octets rewritten. */
function begin(socket: Socket, http: HttpServer, rewrite: SideListenerOptions['rewrite']): void {
  if (rewrite === undefined) {
    http.emit('connection', socket)
    return
  }
  let seen: Uint8Array = new Uint8Array()
  socket.setTimeout(patience, () => socket.destroy())
  const look = (): void => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    seen = Buffer.concat([seen, chunk])
    const start = rewrite(seen)
    if (start === 'more') return
    socket.off('readable', look)
    socket.setTimeout(0)
    socket.removeAllListeners('timeout')
    http.emit('connection', socket)
    socket.unshift(start)
  }
  socket.on('readable', look)
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
