import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

/** A call as it came. */
interface ReceivedCall {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What a notice says. */
interface ReceivedNotice {
  readonly type: string
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>> & { readonly requestId: number }
}

/** A server that is told of requests, in this process. */
export interface WebhookReceiver {
  readonly url: string
  readonly secretFile: string
  /** In the order of their arrival. */
  readonly calls: readonly ReceivedCall[]
  /** How calls are answered from now on; at first with 204. */
  answer(respond: (response: ServerResponse, call: ReceivedCall) => void): void
  /** The calls on a request once there are so many of them, their signatures verified by the receiver's own library. */
  noticesOf(requestId: number, count: number): Promise<readonly ReceivedNotice[]>
  verify(call: ReceivedCall): ReceivedNotice
  /** Refuses connections until {@link up}, at the same port. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

/** Starts a receiver with a secret of its own. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const directory = mkdtempSync(join(tmpdir(), 'certkeep-webhook-'))
  chmodSync(directory, 0o711)
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const secretFile = join(directory, 'secret')
  writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 })
  const verifier = new Webhook(secret)
  const calls: ReceivedCall[] = []
  let respond = (response: ServerResponse, _call: ReceivedCall): void => void response.writeHead(204).end()
  const open = () =>
    createServer((request, response) => {
      const answerCall = async (): Promise<void> => {
        const call = { path: request.url ?? '', headers: request.headers, body: await text(request) }
        calls.push(call)
        respond(response, call)
      }
      void answerCall()
    })
  let server = open()
  const listen = (port: number): Promise<void> => new Promise(resolve => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const down = (): Promise<void> => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeAllConnections()
    return closed
  }
  const verify = ({ headers, body }: ReceivedCall): ReceivedNotice =>
    verifier.verify(body, headers as Record<string, string>) as ReceivedNotice
  return {
    url: `http://127.0.0.1:${port}/hook`,
    secretFile,
    calls,
    answer: next => {
      respond = next
    },
    verify,
    noticesOf: async (requestId, count) => {
      const of = (): ReceivedNotice[] => calls.map(verify).filter(({ data }) => data.requestId === requestId)
      for (let round = 0; of().length < count && round < 1200; round++) await new Promise(done => setTimeout(done, 50))
      return of()
    },
    down,
    up: () => {
      server = open()
      return listen(port)
    },
    close: async () => {
      await down()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}
