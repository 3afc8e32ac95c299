import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { loadConfig, removeEmbeddedPostgres } from '@app/platform'
import type { KeySpec } from '@app/keys'
import { CertRequest, Console, Transport, type ConnectionSettings as ClientSettings } from '@app/client'
import type { OperatorRole } from '@app/policy'
import type { ConnectionSettings } from '@app/storage'
import { newAgent } from '../apps/cli/src/administration/agent-actions.js'
import { createRootCa } from '../apps/cli/src/administration/ca-actions.js'
import { addPrincipal, issueToken } from '../apps/cli/src/administration/directory-actions.js'
import { openInstallation, type Installation } from '../apps/cli/src/installation.js'
import { openMeasuredDatabase, type MeasuredDatabase } from './measured-database.js'
import { addOperator } from './operators.js'
import { countStatements } from './statements.js'

/** A server in a process of its own, with all roles, on an embedded database with durable commits. */
export interface MeasuredServer {
  readonly pid: number
  /** The HTTPS listener. */
  readonly url: string
  /** The plain HTTP listener. */
  readonly httpUrl: string
  /** PEM of the CA's certificate. */
  readonly root: string
  readonly database: MeasuredDatabase
  /**
   * Milliseconds that all but one of a hundred turns of the event loop kept the next one waiting since the last call, the
   * 10 ms between two looks included.
   */
  eventLoopLag(): Promise<number>
  /** How many accounts there are. */
  readonly accounts: number
  /** A client with the token of an account, counted from 0, on a connection of its own. */
  connect(account: number): CertRequest
  /** How an account, counted from 0, connects. */
  settingsOf(account: number): ClientSettings
  /** A client of the console as a new operator, on connections of its own. */
  operate(role: OperatorRole): Promise<Console>
  /** A client of the console with the token of an operator that is there. */
  operateWith(token: string): Console
  /** As {@link operate}, for calls by their address. */
  transport(role: OperatorRole): Promise<Transport>
  stop(): Promise<void>
}

/** What may be done differently from a server as it is installed. */
export interface MeasuredServerOptions {
  /** Where the server writes a CPU profile when it ends; its database then counts the statements. */
  readonly profileDirectory?: string | undefined
  /** Further settings, as YAML. */
  readonly settings?: string
  /** RSA-2048 unless another is named. */
  readonly caKey?: KeySpec
  /** Changes the database before the server starts. */
  readonly prepare?: (owner: ConnectionSettings) => Promise<void>
}

/** All but these settings are the defaults: no limits on callers, and free ports. */
const settingsWith = (httpPort: number, metricsPort: number): string => `
https: { port: 0 }
http: { port: ${httpPort} }
metrics: { port: ${metricsPort} }
limits: { requestsPerMinute: 0, failuresPerMinute: 0, registrationsPerMinute: 0 }
`

const caName = 'Bench CA'
const accounts = 16

/** Makes an installation in a temporary directory (an RSA-2048 CA, three recovery agents, accounts) and serves it. */
export async function startMeasuredServer({
  profileDirectory,
  settings = '',
  caKey = 'rsa-2048',
  prepare
}: MeasuredServerOptions = {}): Promise<MeasuredServer> {
  const home = mkdtempSync(join(tmpdir(), 'certkeep-bench-'))
  // As root, the database server runs as a user that must be able to pass through.
  chmodSync(home, 0o711)
  const httpPort = await findFreePort()
  const metricsPort = await findFreePort()
  writeFileSync(join(home, 'certkeep.yaml'), `${settingsWith(httpPort, metricsPort)}${settings}\n`)
  for (const name of Object.keys(process.env)) if (name.startsWith('CERTKEEP_')) delete process.env[name]
  process.env['CERTKEEP_HOME'] = home
  // Held to the end, so that the database server outlives each of the steps.
  let installation = await openInstallation(loadConfig(process.env), () => undefined)
  let child: ChildProcess | undefined
  const stop = async (): Promise<void> => {
    await end(child)
    await installation.close()
    removeEmbeddedPostgres(home)
    rmSync(home, { recursive: true, force: true })
  }
  try {
    if (profileDirectory !== undefined) {
      await countStatements(installation.owner)
      await installation.close()
      installation = await openInstallation(loadConfig(process.env), () => undefined)
    }
    const { root, tokens } = await furnish(installation, home, caKey)
    await prepare?.(installation.owner)
    child = spawnServer(home, profileDirectory)
    const url = await addressOf(child, home)
    const database = await openMeasuredDatabase(installation.owner)
    const asOperator = async (role: OperatorRole): Promise<ClientSettings> => {
      return { url, trust: root, credentials: { token: await addOperator(installation.owner, role) } }
    }
    return {
      pid: child.pid ?? 0,
      url,
      httpUrl: `http://127.0.0.1:${httpPort}`,
      root,
      database,
      accounts,
      eventLoopLag: () => eventLoopLagAt(metricsPort),
      connect: account =>
        new CertRequest({ url, trust: root, ca: caName, credentials: { token: tokens[account] ?? '' } }),
      settingsOf: account => ({ url, trust: root, credentials: { token: tokens[account] ?? '' } }),
      operate: async role => new Console(await asOperator(role)),
      operateWith: token => new Console({ url, trust: root, credentials: { token } }),
      transport: async role => new Transport(await asOperator(role)),
      stop: async () => {
        await database.close()
        await stop()
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A port that is free now; the server does not tell which one it took. */
export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** The server's own metric, which begins anew each time that it is read. */
async function eventLoopLagAt(metricsPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
  const seconds = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await response.text())?.[1]
  if (seconds === undefined) throw new Error('The server does not tell of its event loop.')
  return 1000 * Number(seconds)
}

async function furnish(
  { config }: Installation,
  home: string,
  caKey: KeySpec
): Promise<{ readonly root: string; readonly tokens: readonly string[] }> {
  const { pem } = await createRootCa({ name: caName, key: caKey, years: 10 })
  const passwordFile = join(config.home, 'agents.password')
  for (const number of [1, 2, 3]) {
    await newAgent({ name: `Agent ${number}`, out: join(home, `agent${number}.p12`), passwordFile })
  }
  const tokens: string[] = []
  for (let number = 0; number < accounts; number++) {
    const account = `user${number}`
    const mail = `${account}@example.org`
    await addPrincipal({ accountName: account, kind: 'user', domain: 'EXAMPLE', upn: mail, mail })
    tokens.push((await issueToken({ account, days: 1 })) ?? '')
  }
  return { root: pem, tokens }
}

/** `certkeep serve` as `npm start` has it, with its log in a file as in production. */
function spawnServer(home: string, profileDirectory: string | undefined): ChildProcess {
  const main = join(import.meta.dirname, '..', 'apps', 'cli', 'src', 'main.js')
  const profile = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
  return spawn(process.execPath, ['--max-semi-space-size=64', ...profile, main, 'serve'], {
    env: process.env,
    stdio: ['ignore', openSync(logIn(home), 'a', 0o600), 'pipe']
  })
}

const logIn = (home: string): string => join(home, 'server.log')

/** The address that the server says it serves. Throws with its last words when it ends instead. */
async function addressOf(child: ChildProcess, home: string): Promise<string> {
  if (child.stderr === null) throw new Error('The server has no standard error.')
  const said: string[] = []
  let url: string | undefined
  for await (const line of createInterface(child.stderr)) {
    url = /^Certkeep serves (\S+)$/.exec(line)?.[1]
    if (url !== undefined) break
    said.push(line)
  }
  // What it says later is read and forgotten; a full pipe would hold it up.
  child.stderr.resume()
  if (url !== undefined) return url
  const log = existsSync(logIn(home)) ? readFileSync(logIn(home), 'utf8').slice(-2000) : ''
  throw new Error(`The server did not start.\n${said.join('\n')}\n${log}`)
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}
