import { request, Agent } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, TLSSocket, type ConnectionOptions } from 'node:tls'
import { Body, Controller, Get, Module, Post, Req } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '@app/core'
import { encodePem } from '@app/der'
import { buildSampleCertificate, sampleKey, type SampleKey } from '../../../../test/helpers/x509-samples.js'
import { createLogger } from '../logger/logger.js'
import { createHealth, type Health } from '../observation/health.js'
import { createMetrics, type Metrics } from '../observation/metrics.js'
import { createHttpsApplication, type HttpsApplication } from './https-application.js'
import { Consumes } from './media-types.js'
import type { ServerTls } from './server-tls.js'

@Controller('sample')
class SampleController {
  @Get('slow/:milliseconds')
  async slow(@Req() { params }: FastifyRequest): Promise<object> {
    await sleep(Number((params as { readonly milliseconds: string }).milliseconds))
    return { done: true }
  }

  @Get('peer')
  peer(@Req() { raw }: FastifyRequest): object {
    const certificate = raw.socket instanceof TLSSocket ? raw.socket.getPeerX509Certificate() : undefined
    return { serialNumber: certificate?.serialNumber ?? 'none' }
  }

  @Post('binary')
  @Consumes('application/pkcs10')
  binary(@Body() body: unknown): object {
    return { bytes: Buffer.isBuffer(body) ? body.toString('hex') : 'none' }
  }

  @Get('defect')
  defect(): object {
    throw new TypeError('secret of the program')
  }

  @Get('busy')
  busy(): object {
    throw new AppError('rate_limited', 'Too much.', { retryAfterSeconds: 7 })
  }
}

@Module({ controllers: [SampleController] })
class SampleModule {}

interface Server {
  readonly https: HttpsApplication
  readonly health: Health
  readonly metrics: Metrics
  readonly port: number
  readonly lines: string[]
}

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly json: Record<string, unknown>
}

const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 3_600_000) }

function tlsOf(key: SampleKey, serialNumber: number): ServerTls {
  const certificate = buildSampleCertificate(key, { ...validity, serialNumber: Uint8Array.of(serialNumber) })
  return {
    privateKey: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    certificates: encodePem('CERTIFICATE', certificate),
    clientAuthorities: []
  }
}

async function startServer(): Promise<Server> {
  const lines: string[] = []
  const health = createHealth(() => undefined)
  const metrics = createMetrics()
  const logger = createLogger({ level: 'info', format: 'json', destination: { write: line => lines.push(line) } })
  const https = await createHttpsApplication(SampleModule, { bodyBytes: 1024, logger, metrics, health, hsts: true })
  https.renew(tlsOf(sampleKey('P-256'), 1))
  return { https, health, metrics, lines, port: await https.listen('127.0.0.1', 0) }
}

interface Call extends ConnectionOptions {
  readonly method?: string
  readonly agent?: Agent
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array
}

function call(port: number, path: string, options: Call = {}): Promise<Answer> {
  const { body, agent = new Agent({ keepAlive: false }), ...rest } = options
  return new Promise((resolve, reject) => {
    request({ ...rest, port, host: '127.0.0.1', path, agent, rejectUnauthorized: false }, response => {
      const chunks: Buffer[] = []
      response
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const json = JSON.parse(text) as Record<string, unknown>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json })
        })
    })
      .once('error', reject)
      .end(body)
  })
}

interface Agreement {
  readonly protocol: string | null
  readonly alpn: string | false | null
  readonly serialNumber: string | undefined
}

/** What a handshake agrees on. */
function handshake(port: number, options: ConnectionOptions): Promise<Agreement> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve({
        protocol: socket.getProtocol(),
        alpn: socket.alpnProtocol,
        serialNumber: socket.getPeerX509Certificate()?.serialNumber
      })
      socket.destroy()
    }).once('error', reject)
  })
}

describe('the HTTPS application', () => {
  let server: Server
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(async () => {
    await server.https.close(0)
  })

  it('speaks TLS 1.2 and 1.3 and nothing older', async () => {
    const alpn = { ALPNProtocols: ['h2', 'http/1.1'] }
    expect(await handshake(server.port, { maxVersion: 'TLSv1.2', ...alpn })).toMatchObject({ protocol: 'TLSv1.2' })
    expect(await handshake(server.port, alpn)).toMatchObject({ protocol: 'TLSv1.3', alpn: 'http/1.1' })
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(handshake(server.port, old)).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
  })

  it('takes clients with a certificate, whoever issued it, and without', async () => {
    const { privateKey, certificates } = tlsOf(sampleKey('P-384'), 0x55)
    expect((await call(server.port, '/sample/peer', { key: privateKey, cert: certificates })).json).toEqual({
      serialNumber: '55'
    })
    expect((await call(server.port, '/sample/peer')).json).toEqual({ serialNumber: 'none' })
  })

  it('hands binary bodies on as they are, to routes that take them', async () => {
    const headers = { 'content-type': 'application/PKCS10; charset=binary' }
    const body = Buffer.from('00ff80', 'hex')
    expect((await call(server.port, '/sample/binary', { method: 'POST', headers, body })).json).toEqual({
      bytes: '00ff80'
    })
    const json = { 'content-type': 'application/json' }
    expect(await call(server.port, '/sample/binary', { method: 'POST', headers: json, body })).toMatchObject({
      status: 415,
      json: { code: 'media_type_unsupported', detail: expect.stringContaining('application/pkcs10') as string }
    })
    expect(
      await call(server.port, '/sample/binary', { method: 'POST', headers, body: Buffer.alloc(1025) })
    ).toMatchObject({
      status: 413,
      json: { code: 'payload_too_large' }
    })
  })

  it('answers a defect with a reference that the log explains', async () => {
    const { status, headers, json } = await call(server.port, '/sample/defect')
    expect(status).toBe(500)
    expect(headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(JSON.stringify(json)).not.toContain('secret of the program')
    const reference = String(headers['x-request-id'])
    expect(json).toMatchObject({ code: 'internal', instance: `urn:certkeep:occurrence:${reference}` })
    const line = server.lines.find(text => text.includes(reference)) ?? ''
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      route: '/sample/defect',
      error: { type: 'TypeError', stack: expect.stringContaining('https-application.spec') as string }
    })
  })

  it('says when to come again', async () => {
    const { status, headers, json } = await call(server.port, '/sample/busy')
    expect({ status, retry: headers['retry-after'], retryable: json['retryable'] }).toEqual({
      status: 429,
      retry: '7',
      retryable: true
    })
  })

  it('says which methods an address has', async () => {
    const { status, headers } = await call(server.port, '/sample/busy', { method: 'DELETE' })
    expect({ status, allow: headers['allow'] }).toEqual({ status: 405, allow: 'GET, HEAD' })
    expect((await call(server.port, '/sample/none', { method: 'DELETE' })).status).toBe(404)
  })

  it('sends security headers with every answer', async () => {
    for (const path of ['/healthz', '/sample/defect', '/nowhere']) {
      const { headers } = await call(server.port, path)
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'strict-transport-security': 'max-age=31536000'
      })
    }
  })

  it('counts requests by route, not by address', async () => {
    await call(server.port, '/sample/slow/1')
    await call(server.port, '/nowhere')
    const text = await server.metrics.registry.metrics()
    expect(text).toMatch(
      /certkeep_http_request_seconds_count\{method="GET",route="\/sample\/slow\/:milliseconds",status="200"\} \d/
    )
    expect(text).toMatch(/route="none",status="404"/)
    expect(text).not.toContain('nowhere')
  })

  it('is ready or not, and alive in any case', async () => {
    expect(await call(server.port, '/readyz')).toMatchObject({ status: 200, json: { status: 'ready' } })
    server.health.drain()
    expect(await call(server.port, '/readyz')).toMatchObject({ status: 503, json: { status: 'draining' } })
    expect(await call(server.port, '/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } })
  })

  it('takes another certificate without a break', async () => {
    server.https.renew(tlsOf(sampleKey('P-384'), 0x77))
    expect((await handshake(server.port, {})).serialNumber).toBe('77')
    const { certificates } = tlsOf(sampleKey('P-256'), 1)
    const { privateKey } = tlsOf(sampleKey('P-384'), 1)
    expect(() => {
      server.https.renew({ privateKey, certificates, clientAuthorities: [] })
    }).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error)
  })
})

describe('the end of the HTTPS application', () => {
  it('lets requests in flight end, cuts idle connections and takes no new ones', async () => {
    const { https, port } = await startServer()
    const agent = new Agent({ keepAlive: true })
    await call(port, '/healthz', { agent })
    const inFlight = call(port, '/sample/slow/300', { agent: new Agent({ keepAlive: true }) })
    await sleep(100)
    const begun = performance.now()
    const closed = https.close(10_000)
    await expect(call(port, '/healthz')).rejects.toMatchObject({
      code: expect.stringMatching(/^ECONN(REFUSED|RESET)$/) as string
    })
    expect((await inFlight).json).toEqual({ done: true })
    await closed
    expect(performance.now() - begun).toBeLessThan(3000)
    agent.destroy()
  })

  it('cuts what has not ended within the grace time', async () => {
    const { https, port } = await startServer()
    const inFlight = call(port, '/sample/slow/5000')
    const failed = inFlight.catch((error: NodeJS.ErrnoException) => error.code)
    await sleep(100)
    const begun = performance.now()
    await https.close(200)
    expect(performance.now() - begun).toBeLessThan(3000)
    expect(await failed).toBe('ECONNRESET')
  })
})
