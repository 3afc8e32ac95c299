import { Agent, request } from 'undici'

/** What a browser has been answered. */
export interface BrowserAnswer {
  readonly status: number
  /** The address that answered, as the browser names it. */
  readonly address: URL
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** One visit. */
export interface Visit {
  readonly method?: 'GET' | 'POST' | 'DELETE' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Stops before an address that has this in it, and gives the answer that leads there. */
  readonly until?: string
}

/** As much of a browser as signing in needs: cookies by host, and redirects. */
export class Browser {
  private readonly cookies = new Map<string, Map<string, string>>()
  private readonly agent: Agent

  /** @param hosts where the names that addresses have are really found: origin by origin */
  constructor(
    trust: readonly string[],
    private readonly hosts: Readonly<Record<string, string>> = {}
  ) {
    this.agent = new Agent({ connect: { ca: [...trust], rejectUnauthorized: true } })
  }

  /** Goes to an address and on, where redirects lead. */
  async visit(address: string | URL, visit: Visit = {}): Promise<BrowserAnswer> {
    let next = new URL(address)
    for (let hop = 0; hop < 10; hop++) {
      const answer = await this.fetch(next, hop === 0 ? visit : {})
      const { location } = answer.headers
      if (answer.status < 300 || answer.status >= 400 || typeof location !== 'string') return answer
      next = new URL(location, next)
      if (visit.until !== undefined && next.href.includes(visit.until)) return answer
    }
    throw new Error(`Too many redirects from ${String(address)}.`)
  }

  /** The cookies of a host. */
  cookiesOf(origin: string): ReadonlyMap<string, string> {
    return this.cookies.get(new URL(origin).host) ?? new Map()
  }

  setCookie(origin: string, name: string, value: string): void {
    const { host } = new URL(origin)
    this.cookies.set(host, new Map([...(this.cookies.get(host) ?? []), [name, value]]))
  }

  close(): Promise<void> {
    return this.agent.close()
  }

  private async fetch(address: URL, { method = 'GET', headers = {}, body }: Visit): Promise<BrowserAnswer> {
    const jar = [...this.cookiesOf(address.origin)].map(([name, value]) => `${name}=${value}`).join('; ')
    const target = new URL(`${address.pathname}${address.search}`, this.hosts[address.origin] ?? address.origin)
    const response = await request(target, {
      dispatcher: this.agent,
      method,
      headers: { ...(jar === '' ? {} : { cookie: jar }), ...headers },
      body: body ?? null
    })
    for (const line of [response.headers['set-cookie'] ?? []].flat()) this.keep(address, line)
    return { status: response.statusCode, address, headers: response.headers, text: await response.body.text() }
  }

  private keep(address: URL, line: string): void {
    const [pair = '', ...attributes] = line.split(';').map(part => part.trim())
    const at = pair.indexOf('=')
    const jar = new Map(this.cookies.get(address.host) ?? [])
    const value = pair.slice(at + 1)
    const isOver = attributes.some(attribute => /^max-age=0$|^expires=Thu, 01 Jan 1970/i.test(attribute))
    if (value === '' || isOver) jar.delete(pair.slice(0, at))
    else jar.set(pair.slice(0, at), value)
    this.cookies.set(address.host, jar)
  }
}
