import { Agent } from 'undici'

/** A call to a server as any HTTP client may make it. */
export interface HttpCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

/** A client certificate with its key, PEM. */
export interface ClientIdentity {
  readonly certificate: string
  readonly privateKey: string
}

/** Whatever was answered; no status is an error. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** The body as JSON. */
  json<T = Readonly<Record<string, unknown>>>(): T
}

/** A problem as a client reads it (RFC 9457). */
export interface ToldProblem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly code: string
  readonly hresult: string
  readonly retryable: boolean
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

/** Makes calls over one set of connections. */
export interface HttpCaller {
  (call: HttpCall): Promise<HttpAnswer>
  close(): Promise<void>
}

/** A caller of the HTTPS listener, which it trusts by the root given; with a client certificate if there is one. */
export function createCaller(
  server: { readonly url: string; readonly root: string },
  identity?: ClientIdentity
): HttpCaller {
  const own = identity === undefined ? {} : { cert: identity.certificate, key: identity.privateKey }
  const agent = new Agent({ connect: { ca: server.root, ...own } })
  const caller = (call: HttpCall): Promise<HttpAnswer> => send(agent, server.url, call)
  return Object.assign(caller, { close: () => agent.close() })
}

/** One call without TLS. */
export async function callPlain(origin: string, call: HttpCall): Promise<HttpAnswer> {
  const agent = new Agent()
  try {
    return await send(agent, origin, call)
  } finally {
    await agent.close()
  }
}

async function send(agent: Agent, origin: string, call: HttpCall): Promise<HttpAnswer> {
  const { method = 'GET', path, token, headers, body = null } = call
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  // The path goes out as it is written here, which a URL would tidy first.
  const answer = await agent.request({
    origin,
    path,
    method,
    headers: { ...authorization, ...headers },
    body
  })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: bytes,
    json: <T>() => JSON.parse(bytes.toString('utf8')) as T
  }
}
