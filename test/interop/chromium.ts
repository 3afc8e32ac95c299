import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { missing } from './programs.js'

const executablePath = '/usr/bin/chromium'

/** A window of Chromium, and what it complained of since it was opened. */
interface Tab {
  readonly page: Page
  /** Errors of scripts and of the console, requests that failed, and violations of the page's policy. */
  readonly complaints: readonly string[]
  /** The origins that anything was asked of. */
  readonly origins: ReadonlySet<string>
}

/** Chromium with a profile of its own. */
export interface Chromium {
  readonly context: BrowserContext
  open(): Promise<Tab>
  close(): Promise<void>
}

/** What Chromium is started with. */
export interface ChromiumOptions {
  /** Addresses `host:port` whose certificates are trusted; any other that no system root issued is refused. */
  readonly trusted: readonly string[]
  /** Where names are really found: `host:port` by `host:port`. */
  readonly hosts?: Readonly<Record<string, string>>
}

/** Starts Chromium. Throws when it is not installed. */
export async function startChromium({ trusted, hosts = {} }: ChromiumOptions): Promise<Chromium> {
  if (!existsSync(executablePath)) throw missing(`${executablePath} is not there`, 'chromium')
  const profile = mkdtempSync(join(tmpdir(), 'certkeep-chromium-'))
  const keys = await Promise.all(trusted.map(keyOf))
  const rules = Object.entries(hosts).map(([name, place]) => `MAP ${name} ${place}`)
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--ignore-certificate-errors-spki-list=${keys.join(',')}`,
      ...(rules.length === 0 ? [] : [`--host-resolver-rules=${rules.join(', ')}`])
    ]
  })
  return {
    context,
    open: () => openTab(context),
    close: async () => {
      await context.close()
      rmSync(profile, { recursive: true, force: true })
    }
  }
}

async function openTab(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage()
  const complaints: string[] = []
  const origins = new Set<string>()
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('requestfailed', request => complaints.push(`${request.url()}: ${request.failure()?.errorText}`))
  page.on('request', request => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:') origins.add(origin)
  })
  // Violations that the console is silent about, such as those of a policy that only reports.
  await page.exposeFunction('tellViolation', (text: string) => void complaints.push(text))
  await page.addInitScript(`
    document.addEventListener('securitypolicyviolation', event =>
      window.tellViolation('policy: ' + event.violatedDirective + ' ' + event.blockedURI))`)
  return { page, complaints, origins }
}

/** SHA-256 of the key that a server presents, as Chromium takes it. */
function keyOf(address: string): Promise<string> {
  const [host = '', port = ''] = address.split(':')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
    const { publicKey } = new X509Certificate(socket.getPeerCertificate(true).raw)
    resolve(
      createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest('base64')
    )
    socket.end()
  })
  socket.on('error', reject)
  return promise
}
