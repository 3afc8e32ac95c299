import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GroupStore } from '@app/storage'
import { Browser, type BrowserAnswer, type Visit } from '../helpers/browser.js'
import { createCaller } from '../helpers/http-calls.js'
import { startIdentityProvider, type TestIdentityProvider } from '../helpers/identity-provider.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

const publicUrl = 'https://certkeep.example.org:8443'
const session = '__Host-certkeep-session'

let provider: TestIdentityProvider
let server: TestServer
let auditor: TestPrincipal
let browser: Browser

beforeAll(async () => {
  provider = await startIdentityProvider(`${publicUrl}/api/v1/session/callback`)
  const { issuer, clientId, clientSecretFile, trustFile } = provider
  server = await startTestServer({ settings: { publicUrl, oidc: { issuer, clientId, clientSecretFile, trustFile } } })
  auditor = await server.addOperator('auditor')
})

afterAll(async () => {
  await server.stop()
  await provider.stop()
})

beforeEach(() => {
  browser = newBrowser()
  provider.signInAs({ sub: 'one', upn: auditor.row.upn })
})

afterEach(() => browser.close())

function newBrowser(): Browser {
  return new Browser([server.root, provider.trust], { [publicUrl]: server.url })
}

function visit(path: string, options: Visit = {}): Promise<BrowserAnswer> {
  return browser.visit(`${publicUrl}${path}`, options)
}

const signIn = (): Promise<BrowserAnswer> => visit('/api/v1/session/sign-in')
const codeOf = ({ text }: BrowserAnswer): unknown => (JSON.parse(text) as { code?: unknown }).code

/** The address that the provider sends the browser back to, not followed. */
async function comeBack(): Promise<URL> {
  const answer = await visit('/api/v1/session/sign-in', { until: '/api/v1/session/callback' })
  return new URL(String(answer.headers['location']))
}

describe('a person who signs in at the identity provider', () => {
  it('is known by name and roles, in this browser only, until signing out', async () => {
    const page = await signIn()
    expect(page.status).toBe(200)
    expect(page.text).toContain(`EXAMPLE\\${auditor.row.accountName}`)
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    const who = JSON.parse((await visit('/api/v1/session')).text) as { sessions: unknown[] }
    expect(who).toMatchObject({ credential: 'session', roles: [{ role: 'auditor' }], sessions: [{ current: true }] })
    expect((await visit('/api/v1/operators')).status).toBe(200)
    const other = newBrowser()
    expect((await other.visit(`${publicUrl}/api/v1/session`)).status).toBe(401)
    await other.close()

    const stolen = browser.cookiesOf(publicUrl).get(session) ?? ''
    expect((await visit('/api/v1/session', { method: 'DELETE', headers: { origin: publicUrl } })).status).toBe(204)
    expect(browser.cookiesOf(publicUrl).has(session)).toBe(false)
    browser.setCookie(publicUrl, session, stolen)
    expect((await visit('/api/v1/session')).status).toBe(401)
  })

  it('gets a cookie that no script, no other host and no other site sees, and whose secret is not stored', async () => {
    const page = await signIn()
    const lines = [page.headers['set-cookie'] ?? []].flat()
    const line = lines.find(text => text.startsWith(session)) ?? ''
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict']) expect(line).toContain(attribute)
    expect(line).not.toContain('Domain')
    const secret = browser.cookiesOf(publicUrl).get(session) ?? ''
    const rows = await server.sql<{ text: string }>('SELECT s::text AS text FROM certkeep.operator_session AS s')
    expect(rows.length).toBeGreaterThan(0)
    const hex = Buffer.from(secret).toString('hex')
    for (const { text } of rows) expect(text.includes(secret) || text.includes(hex)).toBe(false)
  })

  it('whom the directory does not know, has disabled or has twice is refused, with one answer', async () => {
    const disabled = await server.addOperator('auditor')
    const groups = new GroupStore((await server.database.open('console')).dataSource)
    await groups.setDisabled(disabled.row.id, true, { actor: 'test' }, new Date())
    const twin = await server.addPrincipal()
    await server.addPrincipal({ upn: twin.row.upn })
    const details = []
    for (const upn of ['stranger@example.org', disabled.row.upn, twin.row.upn]) {
      provider.signInAs({ sub: String(upn), upn })
      const answer = await newVisit()
      expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthenticated'])
      details.push((JSON.parse(answer.text) as { detail: string }).detail)
    }
    expect(new Set(details).size).toBe(1)
  })

  it('without the claim that accounts are found by is refused', async () => {
    provider.signInAs({ sub: 'anonymous' })
    expect((await newVisit()).status).toBe(401)
  })

  /** A sign-in in a browser that the provider has not seen. */
  async function newVisit(): Promise<BrowserAnswer> {
    const fresh = newBrowser()
    try {
      return await fresh.visit(`${publicUrl}/api/v1/session/sign-in`)
    } finally {
      await fresh.close()
    }
  }
})

describe('what comes back from the identity provider', () => {
  it('counts once', async () => {
    const back = await comeBack()
    expect((await browser.visit(back)).status).toBe(200)
    const again = await browser.visit(back)
    expect([again.status, codeOf(again)]).toEqual([401, 'unauthenticated'])
  })

  it('counts in the browser that began, and with its own state', async () => {
    const back = await comeBack()
    const other = newBrowser()
    expect((await other.visit(back)).status).toBe(401)
    await other.visit(`${publicUrl}/api/v1/session/sign-in`, { until: '/api/v1/session/callback' })
    expect((await other.visit(back)).status).toBe(401)
    await other.close()
    const changed = new URL(back)
    changed.searchParams.set('state', 'another')
    expect((await browser.visit(changed)).status).toBe(401)
    expect((await browser.visit(back)).status).toBe(401)
  })

  it('is refused for another nonce, from another issuer, with another code and too late', async () => {
    const wrong: readonly ((back: URL) => Promise<unknown>)[] = [
      () => server.sql(`UPDATE certkeep.operator_sign_in SET nonce = 'another'`),
      () => server.sql(`UPDATE certkeep.operator_sign_in SET code_verifier = repeat('v', 43)`),
      () => server.sql(`UPDATE certkeep.operator_sign_in SET expires_at = now() - interval '1 second'`),
      async back => back.searchParams.set('iss', 'https://evil.example.org'),
      async back => back.searchParams.set('code', 'made-up'),
      async back => back.searchParams.delete('code')
    ]
    for (const change of wrong) {
      const back = await comeBack()
      await change(back)
      const answer = await browser.visit(back)
      expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthenticated'])
      expect(browser.cookiesOf(publicUrl).has(session)).toBe(false)
    }
  })
})

describe('a session', () => {
  it('ends at once when it is revoked, when its account is disabled, and at its times', async () => {
    const groups = new GroupStore((await server.database.open('console')).dataSource)
    const set = (what: string): Promise<unknown> => server.sql(`UPDATE certkeep.operator_session SET ${what}`)
    const because = { actor: 'test' }
    const { id } = auditor.row
    const administrator = await server.addOperator('administrator')
    await using root = server.operate(administrator)
    const endings: readonly (() => Promise<unknown>)[] = [
      async () => {
        const open = (await root.session.listOf(auditor.row.accountName)).items
        for (const { id: one } of open) await root.session.endAny(one)
      },
      () => groups.setDisabled(id, true, because, new Date()),
      () => set(`last_seen_at = now() - interval '31 minutes'`),
      () => set(`created_at = now() - interval '2 days', expires_at = now() - interval '1 second'`)
    ]
    for (const end of endings) {
      await signIn()
      expect((await visit('/api/v1/session')).status).toBe(200)
      await end()
      expect((await visit('/api/v1/session')).status).toBe(401)
      await groups.setDisabled(id, false, because, new Date())
      await server.sql(
        `UPDATE certkeep.operator_session SET revoked_by = 'test', revoked_at = now() WHERE revoked_at IS NULL`
      )
    }
  })

  it('changes nothing for a page of another site, nor for one that does not say which it is', async () => {
    await signIn()
    for (const headers of [
      {},
      { origin: 'https://evil.example.org' },
      { origin: 'null' },
      { origin: `${publicUrl}0` }
    ]) {
      const answer = await visit('/api/v1/session', { method: 'DELETE', headers })
      expect([answer.status, codeOf(answer)]).toEqual([403, 'access_denied'])
    }
    expect((await visit('/api/v1/session')).status).toBe(200)
    expect((await visit('/api/v1/session', { method: 'DELETE', headers: { origin: publicUrl } })).status).toBe(204)
  })
})

it('a flood of sign-ins that are begun and never end fills no table', async () => {
  await server.restart({ limits: { failuresPerMinute: 4 } })
  const call = createCaller(server)
  const statuses: number[] = []
  for (let begun = 0; begun < 5; begun++) statuses.push((await call({ path: '/api/v1/session/sign-in' })).status)
  expect(statuses).toEqual([302, 302, 302, 302, 429])
  await call.close()
})
