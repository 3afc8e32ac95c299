import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startIdentityProvider, type TestIdentityProvider } from '../helpers/identity-provider.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { startChromium, type Chromium } from './chromium.js'

const name = 'certkeep.example.org:8443'
const publicUrl = `https://${name}`

let provider: TestIdentityProvider
let server: TestServer
let auditor: TestPrincipal
let browser: Chromium

beforeAll(async () => {
  provider = await startIdentityProvider(`${publicUrl}/api/v1/session/callback`)
  const { issuer, clientId, clientSecretFile, trustFile } = provider
  const hostNames = ['certkeep.example.org', 'localhost', '127.0.0.1']
  const oidc = { issuer, clientId, clientSecretFile, trustFile }
  server = await startTestServer({ settings: { publicUrl, hostNames, oidc } })
  auditor = await server.addOperator('auditor')
  provider.signInAs({ sub: 'one', upn: auditor.row.upn })
  const place = server.url.replace('https://', '')
  const trusted = [place, provider.issuer.replace('https://', '')]
  browser = await startChromium({ trusted, hosts: { [name]: place } })
})

afterAll(async () => {
  await browser.close()
  await server.stop()
  await provider.stop()
})

describe('Chromium', () => {
  it('shows the API page with its routes, under its policy and without a complaint', async () => {
    const { page, complaints, origins } = await browser.open()
    const answer = await page.goto(`${publicUrl}/api`)
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'")
    await page.waitForSelector('.opblock')
    // With so many the page shows what is in sight.
    const known = new Set<string>()
    const look = async () => {
      const paths = await page.locator('.opblock-summary-path').allTextContents()
      for (const path of paths) known.add(path.replaceAll('\u200b', ''))
      await page.mouse.wheel(0, 400)
      return known.size
    }
    await page.mouse.move(300, 300)
    await expect.poll(look, { timeout: 20_000 }).toBeGreaterThan(20)
    expect(known).toContain('/api/v1/cas/{ca}/requests')
    // A route opens when it is clicked, which takes the page's scripts and styles.
    await page.locator('.opblock-summary').first().click()
    await page.waitForSelector('.opblock-body')
    expect(complaints).toEqual([])
    expect([...origins]).toEqual([publicUrl])
  })

  it('shows what to do with the link of an invitation, and its secret stays in the address', async () => {
    const { page, complaints } = await browser.open()
    const asked: string[] = []
    page.on('request', request => asked.push(request.url()))
    await page.goto(`${publicUrl}/enrol#a-secret`)
    await expect(page.title()).resolves.toContain('Become an operator')
    expect(await page.locator('pre').textContent()).toContain('npx certkeep operator enroll')
    expect(complaints).toEqual([])
    expect(asked.some(url => new URL(url).search.includes('secret') || url.includes('/a-secret'))).toBe(false)
  })

  it('signs a person in at the identity provider, with a cookie that no script and no other site gets', async () => {
    const { page, complaints } = await browser.open()
    await page.goto(`${publicUrl}/api/v1/session/sign-in`)
    expect(await page.locator('body').textContent()).toContain(`EXAMPLE\\${auditor.row.accountName}`)
    expect(page.url().startsWith(`${publicUrl}/api/v1/session/callback`)).toBe(true)
    expect(complaints).toEqual([])
    const cookies = await browser.context.cookies(publicUrl)
    expect(cookies).toMatchObject([
      {
        name: '__Host-certkeep-session',
        domain: 'certkeep.example.org',
        path: '/',
        httpOnly: true,
        secure: true,
        sameSite: 'Strict'
      }
    ])
    expect(await page.evaluate('document.cookie')).toBe('')
    const who = await page.goto(`${publicUrl}/api/v1/session`)
    expect(await who?.json()).toMatchObject({ credential: 'session', roles: [{ role: 'auditor' }] })
  })

  it('refuses a certificate of the CA where nobody has told it to trust that', async () => {
    const stranger = await startChromium({ trusted: [], hosts: { [name]: server.url.replace('https://', '') } })
    try {
      const { page } = await stranger.open()
      await expect(page.goto(`${publicUrl}/enrol`)).rejects.toThrow(/ERR_CERT_AUTHORITY_INVALID/)
    } finally {
      await stranger.close()
    }
  })
})
