import { randomUUID } from 'node:crypto'
import type { Server } from 'node:https'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import { AppError } from '@app/core'
import type { Logger } from '../logger/logger.js'
import { nestLoggerOf } from '../logger/nest-logger.js'
import type { Health } from '../observation/health.js'
import type { Metrics } from '../observation/metrics.js'
import {
  answerProblem,
  ProblemFilter,
  rememberErrorListener,
  routeOf,
  type ErrorListener
} from '../problems/problem-filter.js'
import { requestValidation } from '../problems/request-validation.js'
import { collectAllowedMethods, type AllowedMethods } from './allowed-methods.js'
import { assertMediaType, registerMediaTypes } from './media-types.js'
import { securityHeaders } from './security-headers.js'
import { listenError } from './listen-error.js'
import { LISTENER_TLS, secureContextOf, type ServerTls } from './server-tls.js'
import { closeGracefully } from './shutdown.js'
import { answerUnreadable } from './unreadable-requests.js'

/** What {@link createHttpsApplication} is made of. */
export interface HttpsApplicationOptions {
  readonly bodyBytes: number
  readonly logger: Logger
  readonly metrics: Metrics
  readonly health: Health
  /** Tells browsers to use HTTPS for this host only; wrong for `localhost`, which other programs share. */
  readonly hsts: boolean
  /** Hears of every error of ours that ends a call of a route. */
  readonly onError?: ErrorListener
}

/** The HTTPS side of a process. */
export interface HttpsApplication {
  readonly app: NestFastifyApplication
  /** Uses this key and certificate for connections from now on. Needed once before `listen`. */
  renew(tls: ServerTls): void
  /** Starts listening and returns the port, which matters when it was 0. */
  listen(host: string, port: number): Promise<number>
  /** Stops listening, lets requests in flight end within the time, and ends the Nest application. */
  close(graceMilliseconds: number): Promise<void>
}

type NestModule = Parameters<typeof NestFactory.create>[0]

/**
 * A Nest application on Fastify over TLS with everything that all of its routes share: problem details for every
 * error, validation by schema, raw binary bodies, 405 and 415, limits, security headers, request ids, metrics,
 * `/healthz` and `/readyz`. Not listening yet. Throws what the modules throw while they are put together.
 */
export async function createHttpsApplication(
  module: NestModule,
  options: HttpsApplicationOptions
): Promise<HttpsApplication> {
  const { logger } = options
  const adapter = createAdapter(options)
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: nestLoggerOf(logger),
    bodyParser: false,
    abortOnError: false
  })
  app.useGlobalFilters(new ProblemFilter(logger, options.onError))
  app.useGlobalPipes(requestValidation())
  const server = app.getHttpServer() as unknown as Server
  return {
    app,
    listen: async (host, port) => {
      await app.init()
      // Nest's own way writes an address in use into the log besides throwing it.
      await adapter
        .getInstance()
        .listen({ port, host })
        .catch((error: unknown) => {
          throw listenError(error, host, port)
        })
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : port
    },
    renew: tls => {
      server.setSecureContext(secureContextOf(tls))
    },
    close: grace => closeGracefully(server, () => app.close(), grace)
  }
}

function createAdapter(options: HttpsApplicationOptions): FastifyAdapter {
  const { logger } = options
  const adapter = new FastifyAdapter<RawServerDefault>({
    https: { ...LISTENER_TLS, maxHeaderSize: 16 * 1024 },
    bodyLimit: options.bodyBytes,
    // To receive a request, not to answer it: that may take as long as a client waits for its outcome.
    requestTimeout: 30_000,
    logger: false,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    clientErrorHandler: answerUnreadable,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      answerProblem(error, request, reply, logger)
    },
    // A CA's name of 64 characters may take twelve in an address for each of its own.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1536 }
  })
  const server = adapter.getInstance<FastifyInstance>()
  const methods = collectAllowedMethods(server)
  registerMediaTypes(server)
  registerRequestHooks(server, options, methods)
  registerHealth(server, options.health)
  return adapter
}

function registerRequestHooks(
  server: FastifyInstance,
  options: HttpsApplicationOptions,
  methods: AllowedMethods
): void {
  const headersFor = securityHeaders({ hsts: options.hsts })
  server.addHook('onRequest', async (request, reply) => {
    if (options.onError !== undefined) rememberErrorListener(request, options.onError)
    try {
      refuseOtherMethod(request, reply, methods)
      assertMediaType(request)
    } catch (error) {
      answerProblem(error, request, reply, options.logger)
      return reply
    }
    return undefined
  })
  server.addHook('onSend', async (request, reply, payload) => {
    for (const [name, value] of headersFor(String(reply.getHeader('content-type') ?? ''))) {
      if (!reply.hasHeader(name)) reply.header(name, value)
    }
    reply.header('x-request-id', request.id)
    return payload
  })
  server.addHook('onResponse', async (request, reply) => {
    const route = routeOf(request)
    const seconds = reply.elapsedTime / 1000
    options.metrics.observeRequest({ method: request.method, route, status: reply.statusCode, seconds })
    options.logger.debug({ reference: request.id, method: request.method, route, status: reply.statusCode, seconds })
  })
}

/** The router takes an address with another method for an unknown address, or for one of a route that takes any. */
function refuseOtherMethod(request: FastifyRequest, reply: FastifyReply, methods: AllowedMethods): void {
  if (!request.is404 && !routeOf(request).endsWith('*')) return
  const allowed = methods.of(request.url.split('?')[0] ?? '')
  if (allowed.length === 0 || allowed.includes(request.method)) return
  reply.header('allow', allowed.join(', '))
  const message = `This address has no ${request.method.slice(0, 20)}; it has ${allowed.join(', ')}.`
  throw new AppError('method_not_allowed', message)
}

function registerHealth(server: FastifyInstance, health: Health): void {
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const report = await health.report()
    return reply.code(report.status === 'ready' ? 200 : 503).send(report)
  })
}
