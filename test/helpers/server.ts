import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asPrincipalId, equalBytes, systemClock, type CaId } from '@app/core'
import { encodePem } from '@app/der'
import { CertRequest, Console } from '@app/client'
import type { KeySpec } from '@app/keys'
import { createLogger, loadConfig, type Config, type Logger, type SettingsInput } from '@app/platform'
import {
  AgentStore,
  openDatabase,
  PrincipalStore,
  PROCESS_ROLES,
  RoleStore,
  type NewCredential,
  type NewPrincipal,
  type PrincipalRow
} from '@app/storage'
import type { OfficerScope, OperatorRole } from '@app/policy'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import { inject } from 'vitest'
import { systemEntropy } from '../../apps/cli/src/administration/administration.js'
import { openInstallation } from '../../apps/cli/src/installation.js'
import { startServer, type RunningServer } from '../../apps/cli/src/server.js'
import { CaSetup } from '../../apps/authority/src/ca/ca-setup.js'
import { createTestDatabase, type TestDatabase } from './database.js'
import { makeRecoveryAgents, type RecoveryAgent } from './recovery-agent.js'

/** A server in this process, with all roles, on a database of its own. */
export interface TestServer {
  /** `https://127.0.0.1:…` */
  readonly url: string
  readonly httpUrl: string
  readonly metricsUrl: string
  /** PEM of the root certificate, which is the CA's own unless it is a subordinate. */
  readonly root: string
  readonly ca: TestCa
  /** The recovery agents, with their private keys. */
  readonly agents: readonly RecoveryAgent[]
  readonly config: Config
  readonly running: RunningServer
  readonly database: TestDatabase
  /** Adds a principal with a token, which is good for everything for an hour where nothing is said. */
  addPrincipal(changes?: Partial<PrincipalRow>, credential?: Partial<NewCredential>): Promise<TestPrincipal>
  /**
   * Adds a principal that holds a role, with a token of scope `console`: for every CA, without a limit, where nothing is
   * said.
   */
  addOperator(role: OperatorRole, options?: OperatorOptions): Promise<TestPrincipal>
  /** A client of the SDK's console with the principal's token. */
  operate(principal: TestPrincipal): Console
  /** Adds another root CA beside the first; it offers what that offers. */
  addCa(name: string): Promise<TestCa>
  /** A client of the SDK with the principal's token, of the first CA unless another is named. */
  connect(principal: TestPrincipal, caName?: string): CertRequest
  /** Runs a statement as the owner of the schema: for what no program does, such as letting time pass. */
  sql<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** Ends the server and starts another on the same home and database, with other settings if some are given. */
  restart(settings?: SettingsInput): Promise<void>
  stop(): Promise<void>
}

/** A CA of a test server. */
export interface TestCa {
  readonly id: CaId
  readonly name: string
  readonly certificate: Certificate
}

/** Somebody who can enroll. */
export interface TestPrincipal {
  readonly row: NewPrincipal
  readonly token: string
  /** Of the token's row. */
  readonly credentialId: string
}

/** What an operator of a test may differ in. */
interface OperatorOptions {
  readonly caId?: CaId
  readonly scope?: OfficerScope
  readonly changes?: Partial<PrincipalRow>
}

/** What may differ from server to server. */
export interface TestServerOptions {
  readonly caName?: string
  readonly key?: KeySpec
  /**
   * Makes the CA a subordinate: gets its PKCS#10, gives its certificate and those of its parents, the root among them.
   */
  readonly certify?: (request: Uint8Array) => Promise<readonly Uint8Array[]>
  /** How many recovery agents there are; 3 unless told, which is what the built-in template demands. */
  readonly agents?: number
  readonly settings?: SettingsInput
  /** Its database, instead of one in the PostgreSQL of the test run. */
  readonly database?: TestDatabase
  /** Where its log goes, instead of nowhere. */
  readonly log?: Logger
}

/** Starts a server. Use it in `beforeAll` and stop it in `afterAll`. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = options.database ?? (await createTestDatabase())
  const home = mkdtempSync(join(tmpdir(), 'certkeep-server-'))
  writeSecrets(home)
  let config = loadConfig({}, { overrides: settingsFor(home, database, options.settings) })
  const ownLog = createLogger({
    level: process.env['CERTKEEP_TEST_LOG'] === undefined ? 'silent' : 'debug',
    format: 'json'
  })
  const log = options.log ?? ownLog
  const caName = options.caName ?? 'Test CA'
  const { root: rootCertificate, ...ca } = await makeCa(config, caName, options)
  const agents = await makeRecoveryAgents(options.agents ?? 3)
  await addAgents(database, ca.id, agents)
  let running = await startServer(config, log)
  const ports = (): NonNullable<RunningServer['ports']> => {
    if (running.ports === undefined) throw new Error('The server has no listeners.')
    return running.ports
  }
  const root = encodePem('CERTIFICATE', rootCertificate.raw)
  return {
    get url() {
      return `https://127.0.0.1:${ports().https}`
    },
    get httpUrl() {
      return `http://127.0.0.1:${ports().http}`
    },
    get metricsUrl() {
      return `http://127.0.0.1:${ports().metrics}`
    },
    root,
    ca,
    agents,
    get config() {
      return config
    },
    get running() {
      return running
    },
    database,
    addPrincipal: (changes, credential) => addPrincipal(database, changes, credential),
    addOperator: (role, operator) => addOperator(database, role, operator),
    operate(principal): Console {
      const url = `https://127.0.0.1:${ports().https}`
      return new Console({ url, trust: root, credentials: { token: principal.token } })
    },
    addCa: name => makeCa(config, name, { key: options.key ?? 'p-256' }),
    connect(principal, name = ca.name): CertRequest {
      const url = `https://127.0.0.1:${ports().https}`
      return new CertRequest({ url, trust: root, ca: name, credentials: { token: principal.token } })
    },
    async sql<Row>(text: string, values: readonly unknown[] = []) {
      return (await database.open('owner')).dataSource.query<readonly Row[]>(text, [...values])
    },
    async restart(settings) {
      await running.shutdown.run('restart')
      config = loadConfig({}, { overrides: settingsFor(home, database, { ...options.settings, ...settings }) })
      running = await startServer(config, log)
    },
    async stop() {
      await running.shutdown.run('test')
      await database.drop()
      rmSync(home, { recursive: true, force: true })
    }
  }
}

/** The passwords of the roles belong to the whole cluster of the test run, so every home has the same. */
function writeSecrets(home: string): void {
  const { rolePasswords } = inject('postgres')
  mkdirSync(join(home, 'secrets'), { mode: 0o700 })
  for (const role of PROCESS_ROLES) {
    writeFileSync(join(home, 'secrets', `database-${role}`), rolePasswords[role], { mode: 0o600 })
  }
}

function settingsFor(home: string, { settings }: TestDatabase, changes: SettingsInput = {}): SettingsInput {
  const { user, password = '', host = '', port, database } = settings.owner
  const where = new URLSearchParams({ host })
  return {
    home,
    databaseUrl: `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}?${where.toString()}`,
    https: { port: 0 },
    http: { port: 0 },
    metrics: { port: 0 },
    limits: { requestsPerMinute: 0, failuresPerMinute: 0, registrationsPerMinute: 0 },
    graceSeconds: 5,
    ...changes
  }
}

async function makeCa(
  config: Config,
  name: string,
  { key = 'p-256', certify }: Pick<TestServerOptions, 'key' | 'certify'>
): Promise<TestCa & { readonly root: Certificate }> {
  const installation = await openInstallation(config, () => undefined)
  const database = await openDatabase(installation.owner)
  try {
    const keys = installation.keys('authority')
    const setup = new CaSetup({ database, keys, clock: systemClock, entropy: systemEntropy })
    const settings = { name, key, validityYears: 5, actor: 'test' }
    if (certify === undefined) {
      const { caId: id, certificate } = await setup.createRoot(settings)
      return { id, name, certificate, root: certificate }
    }
    const { caId: id, request } = await setup.requestSubordinate(settings)
    const certificates = await certify(request)
    const certificate = await setup.install(name, certificates, settings.actor)
    const root = certificates.map(decodeCertificate).find(({ subject, issuer }) => equalBytes(subject.raw, issuer.raw))
    if (root === undefined) throw new Error('The subordinate CA was given no root.')
    return { id, name, certificate, root }
  } finally {
    await database.close()
    await installation.close()
  }
}

async function addAgents(database: TestDatabase, caId: CaId, agents: readonly RecoveryAgent[]): Promise<void> {
  const store = new AgentStore((await database.open('owner')).dataSource)
  for (const { name, certificate } of agents) {
    await store.add(
      {
        caId,
        name,
        certificate: Buffer.from(certificate.raw),
        sha256: createHash('sha256').update(certificate.raw).digest(),
        subject: formatName(certificate.subject),
        issuer: Buffer.from(certificate.issuer.raw),
        serialNumber: Buffer.from(certificate.serialNumber),
        notBefore: certificate.notBefore,
        notAfter: certificate.notAfter,
        addedAt: new Date()
      },
      { actor: 'test' }
    )
  }
}

async function addOperator(
  database: TestDatabase,
  role: OperatorRole,
  { caId, scope, changes }: OperatorOptions = {}
): Promise<TestPrincipal> {
  const principal = await addPrincipal(database, changes, { scopes: ['enroll', 'console'] })
  const roles = new RoleStore((await database.open('owner')).dataSource)
  const held = { role, caId: caId ?? null, scope: scope ?? null }
  await roles.grant(principal.row.id, held, { actor: 'test' }, new Date())
  return principal
}

async function addPrincipal(
  database: TestDatabase,
  changes: Partial<PrincipalRow> = {},
  credential: Partial<NewCredential> = {}
): Promise<TestPrincipal> {
  const principals = new PrincipalStore((await database.open('owner')).dataSource)
  const accountName = changes.accountName ?? `user${randomBytes(3).toString('hex')}`
  const kind = changes.kind ?? 'user'
  const row = {
    id: asPrincipalId(randomUUID()),
    kind,
    sid: `S-1-5-21-1-2-3-${randomBytes(4).readUInt32BE()}`,
    accountName,
    domain: 'EXAMPLE',
    displayName: accountName,
    distinguishedName: null,
    upn: `${accountName}@example.org`,
    mail: `${accountName}@example.org`,
    dnsName: kind === 'computer' ? `${accountName}.example.org` : null,
    groupNames: [kind === 'computer' ? 'Domain Computers' : 'Domain Users'],
    createdAt: new Date(),
    ...changes
  }
  await principals.add(row, { actor: 'test' })
  const token = `ckt_${randomBytes(32).toString('base64url')}`
  const credentialId = randomUUID()
  await principals.addCredential(
    {
      id: credentialId,
      principalId: row.id,
      label: 'test',
      tokenHash: createHash('sha256').update(token).digest(),
      scopes: ['enroll'],
      caId: null,
      expiresAt: new Date(Date.now() + 3_600_000),
      createdAt: new Date(),
      ...credential
    },
    { actor: 'test' }
  )
  return { row, token, credentialId }
}
