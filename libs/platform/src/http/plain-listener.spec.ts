import { request } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../logger/logger.js'
import { createMetrics } from '../observation/metrics.js'
import { createPlainListener, type PlainRequest } from './plain-listener.js'

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

const seen: PlainRequest[] = []
const metrics = createMetrics()
const logged: string[] = []
const listener = createPlainListener(
  [
    one => {
      seen.push(one)
      return undefined
    },
    ({ path }) => (path === '/crl' ? { contentType: 'application/pkix-crl', body: Buffer.from([1, 2, 3]) } : undefined),
    ({ path }) => {
      if (path === '/broken') throw new Error('password')
      return undefined
    },
    metrics.handler
  ],
  createLogger({ level: 'info', format: 'json', destination: { write: line => void logged.push(line) } }),
  [
    {
      matches: path => path === '/echo',
      mediaType: 'application/x-echo',
      maxBytes: 10,
      handle: (path, body) =>
        body.length === 0 ? undefined : { contentType: 'text/plain', body: `${path} ${Buffer.from(body).toString()}` }
    }
  ]
)
let port: number

beforeAll(async () => {
  port = await listener.listen('127.0.0.1', 0)
})

afterAll(async () => {
  await listener.close(0)
})

function fetchPlain(
  path: string,
  method = 'GET',
  { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, method, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() })
      })
    })
      .once('error', reject)
      .end(body)
  })
}

describe('a plain listener', () => {
  it('answers what one of its handlers knows', async () => {
    const answer = await fetchPlain('/crl')
    expect(answer).toMatchObject({ status: 200, body: '\u0001\u0002\u0003' })
    expect(answer.headers).toMatchObject({ 'content-type': 'application/pkix-crl', 'content-length': '3' })
  })

  it('answers HEAD without a body', async () => {
    const answer = await fetchPlain('/crl', 'HEAD')
    expect(answer).toMatchObject({ status: 200, body: '' })
    expect(answer.headers['content-length']).toBe('3')
  })

  it.each([
    ['/', 'GET'],
    ['/crl/', 'GET'],
    ['/crl', 'POST'],
    ['/crl', 'DELETE'],
    ['/api/v1/cas', 'GET'],
    ['/x/%2e%2e/crl', 'GET'],
    ['/%zz', 'GET']
  ])('answers 404 for everything else: %s %s', async (path, method) => {
    expect(await fetchPlain(path, method)).toMatchObject({ status: 404, body: 'Not found\n' })
  })

  it('reads a body where a path takes one, of its type and up to its size', async () => {
    const headers = { 'content-type': 'Application/X-Echo; charset=utf-8' }
    expect(await fetchPlain('/echo?x', 'POST', { headers, body: '0123456789' })).toMatchObject({
      status: 200,
      body: '/echo 0123456789'
    })
    const chunked = { ...headers, 'transfer-encoding': 'chunked' }
    for (const sent of [headers, chunked]) {
      expect((await fetchPlain('/echo', 'POST', { headers: sent, body: '0123456789a' })).status).toBe(413)
    }
    expect((await fetchPlain('/echo', 'POST', { headers: { 'content-type': 'text/plain' }, body: '1' })).status).toBe(
      415
    )
    expect((await fetchPlain('/echo', 'POST', { body: '1' })).status).toBe(415)
    expect((await fetchPlain('/echo', 'POST', { headers })).status).toBe(404)
    expect((await fetchPlain('/crl', 'POST', { headers, body: '1' })).status).toBe(404)
    expect((await fetchPlain('/echo')).status).toBe(404)
  })

  it('hands on the decoded path and the query', async () => {
    await fetchPlain('/a%20b?c=d')
    expect(seen.at(-1)?.path).toBe('/a b')
    expect(seen.at(-1)?.query.get('c')).toBe('d')
  })

  it('says nothing of a defect, which is in the log', async () => {
    expect(await fetchPlain('/broken')).toMatchObject({ status: 500, body: 'Internal error\n' })
    expect(logged).toHaveLength(1)
  })

  it('writes no line of a client that leaves in the middle of its body', async () => {
    const before = logged.length
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-echo\r\nContent-Length: 9\r\n\r\n0123')
    await new Promise(resolve => setTimeout(resolve, 100))
    socket.destroy()
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(logged).toHaveLength(before)
    expect((await fetchPlain('/crl')).status).toBe(200)
  })

  it('serves metrics with the figures of the process and of requests by route', async () => {
    metrics.observeRequest({ method: 'BREW', route: '/api/v1/cas/:ca', status: 418, seconds: 0.2 })
    const { status, body } = await fetchPlain('/metrics')
    expect(status).toBe(200)
    expect(body).toMatch(/nodejs_eventloop_lag_p99_seconds/)
    expect(body).toContain(
      'certkeep_http_request_seconds_bucket{le="0.25",method="other",route="/api/v1/cas/:ca",status="418"} 1'
    )
  })
})
