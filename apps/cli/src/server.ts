import { systemClock } from '@app/core'
import type { DynamicModule } from '@nestjs/common'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import {
  createHealth,
  createHttpsApplication,
  createMetrics,
  createPlainListener,
  createShutdown,
  RefusalLog,
  runtimeModule,
  type Config,
  type Health,
  type Logger,
  type Metrics,
  type PlainHandler,
  type Role,
  type Runtime,
  type ServerTls,
  type Shutdown
} from '@app/platform'
import { AuditLog, CaStore, openDatabase } from '@app/storage'
import { DistributionService, type PublicFile } from '../../front/src/distribution/distribution.service.js'
import { ConsoleModule } from '../../console/src/console.module.js'
import { OcspService } from '../../front/src/ocsp/ocsp.service.js'
import { FrontModule } from '../../front/src/front.module.js'
import { CaSetup } from '../../authority/src/ca/ca-setup.js'
import { describeApi } from './api-document.js'
import { localActor, systemEntropy } from './administration/administration.js'
import { fingerprintOf } from './administration/ca-actions.js'
import { inviteAdministrator } from './administration/operator-actions.js'
import { beginFrontWork } from './front-work.js'
import { openInstallation, type Installation } from './installation.js'
import { listenerIdentity, requireListenerIdentity, type ListenerIdentity } from './listener-identity.js'
import { startRegistrationListeners } from './registration-listeners.js'
import { ldapReadingOf, publishingOf, registrationsOf, startRoles, webhooksOf, workerRoles } from './roles.js'
import { lifeRecordOf } from './server-events.js'
import { watchForOperators } from './operator-watch.js'

const firstCaName = 'Certkeep Root CA'
/** How soon the listener follows a CA that has been renewed. */
const identityCheck = 10_000
/** How long requests in flight are let wait for their outcomes when the server ends. */
const patience = 2000

/** The CA that a first start made. */
interface FirstCa {
  readonly name: string
  readonly fingerprint: string
  /** The secret of the link by which its administrator enrolls. */
  readonly invitation: string
}

/** A server at work. */
export interface RunningServer {
  readonly installation: Installation
  readonly runtime: Runtime
  /**
   * The ports in use, which matter when the configuration says 0; absent without the roles `front` and `console`. The
   * plain HTTP listener is the front's; its port is 0 without that role.
   */
  readonly ports?: {
    readonly https: number
    readonly http: number
    readonly metrics: number
    /** Those of clients that register; 0 for a listener that is off. */
    readonly mixed: number
    readonly native: number
  }
  /** Set when this start made the first CA. */
  readonly firstCa?: FirstCa
  readonly shutdown: Shutdown
}

/**
 * Starts the roles of the configuration: database, schema, first CA, workers, listeners, in this order. Whatever has
 * been started is ended again when a later part fails. Throws `config_invalid`, `database_incompatible`, `unavailable`.
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  requireListenerIdentity(config)
  const shutdown = createShutdown({ graceSeconds: config.graceSeconds, logger: log })
  try {
    const installation = await openInstallation(config, message => log.info({}, message))
    shutdown.add('database', () => installation.close())
    const mayMakeCa = config.roles.includes('authority') && installation.onlyRole === undefined
    const firstCa = mayMakeCa ? await makeFirstCa(installation) : undefined

    const running = await startRoles(installation, workerRoles(config.roles), log, [
      ...webhooksOf(installation),
      ...publishingOf(installation),
      ...ldapReadingOf(installation),
      ...registrationsOf(installation)
    ])
    const life = lifeRecordOf(running, log)
    shutdown.add('workers', async () => {
      await life.stopped()
      await running.stop()
    })
    const { runtime } = running
    await life.started()
    await runtime.wakeups.start()

    const ports = config.roles.some(isServed) ? await startHttps(installation, runtime, log, shutdown) : undefined
    return {
      installation,
      runtime,
      shutdown,
      ...(ports === undefined ? {} : { ports }),
      ...(firstCa === undefined ? {} : { firstCa })
    }
  } catch (error) {
    await shutdown.run('The start failed.')
    throw error
  }
}

/**
 * The first start of an installation makes a CA, so that there is something to enroll at; a later one adds the built-in
 * templates that an older version did not have.
 */
async function makeFirstCa(installation: Installation): Promise<RunningServer['firstCa']> {
  const database = await openDatabase(installation.owner)
  try {
    const keys = installation.keys('authority')
    const setup = new CaSetup({ database, keys, clock: systemClock, entropy: systemEntropy })
    if ((await new CaStore(database.dataSource).list()).length > 0) {
      await setup.provideTemplates()
      return undefined
    }
    const { certificate } = await setup.createRoot({
      name: firstCaName,
      key: 'rsa-3072',
      validityYears: 10,
      actor: localActor()
    })
    const actor = localActor()
    const invitation = await inviteAdministrator({ database, clock: systemClock, entropy: systemEntropy, actor })
    return { name: firstCaName, fingerprint: fingerprintOf(certificate), invitation }
  } finally {
    await database.close()
  }
}

/** Whether a role answers on the HTTPS listener. */
function isServed(role: Role): role is 'front' | 'console' {
  return role === 'front' || role === 'console'
}

/** One HTTPS application with the modules of the roles that are served. */
async function startHttps(
  installation: Installation,
  runtime: Runtime,
  log: Logger,
  shutdown: Shutdown
): Promise<NonNullable<RunningServer['ports']>> {
  const { config } = installation
  const metrics = createMetrics()
  const health = createHealth((check, reason) => log.warn({ check, reason }, 'A health check fails.'))
  class ServerModule {}
  const module = {
    module: ServerModule,
    imports: [runtimeModule(runtime), ...config.roles.filter(isServed).map(role => servedModules[role](installation))]
  }
  let refusals: RefusalLog | undefined
  const https = await createHttpsApplication(module, {
    bodyBytes: config.limits.bodyBytes,
    logger: log,
    metrics,
    health,
    hsts: !config.hostNames.includes('localhost'),
    onError: (error, request) => void refusals?.note(error, request)
  })
  shutdown.add('https', grace => {
    health.drain()
    // Who waits for an outcome is told how things stand, in time for an answer.
    const release = setTimeout(() => runtime.outcomes.close(), Math.min(grace / 2, patience))
    return https.close(grace).finally(() => clearTimeout(release))
  })
  describeApi(https.app, config)
  await https.app.init()
  refusals = new RefusalLog(https.app.get(AuditLog), runtime.clock, log)
  if (config.roles.includes('console')) watchForOperators(https.app, { config, metrics, health, clock: runtime.clock })
  if (config.roles.includes('front')) await beginFrontWork(https.app, { config, metrics, runtime, shutdown })
  health.add('database', async () => void (await https.app.get(CaStore).list()))

  const identity = listenerIdentity(https.app, config)
  const served = await identity.current()
  https.renew(served)
  const listeners = await startRegistrationListeners(https.app, served, { config, log, shutdown })
  const renew = (tls: ServerTls): void => {
    https.renew(tls)
    listeners.renew(tls)
  }
  keepIdentity({ renew, identity, log, shutdown }, served)
  return {
    ...listeners.ports,
    ...(await startPlainListeners(https.app, { config, log, metrics, health, shutdown })),
    https: await https.listen(config.https.host, config.https.port)
  }
}

const servedModules: Readonly<Record<'front' | 'console', (installation: Installation) => DynamicModule>> = {
  front: installation => {
    const { enabled } = installation.config.registration
    const keys = { keys: installation.keys('front'), passphrase: installation.passphrase }
    return FrontModule.register(installation.connection('front'), keys, enabled)
  },
  console: installation => ConsoleModule.register(installation.connection('console'))
}

interface IdentityParts {
  readonly renew: (tls: ServerTls) => void
  readonly identity: ListenerIdentity
  readonly log: Logger
  readonly shutdown: Shutdown
}

/** Renews the certificate of the listener by itself: before its end, and when its CA has been renewed. */
function keepIdentity({ renew, identity, log, shutdown }: IdentityParts, served: ServerTls): void {
  let { certificates, clientAuthorities } = served
  let isLooking = false
  const look = async (): Promise<void> => {
    const tls = await identity.current()
    if (tls.certificates === certificates && tls.clientAuthorities.join() === clientAuthorities.join()) return
    renew(tls)
    ;({ certificates, clientAuthorities } = tls)
  }
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    look()
      .catch((error: unknown) => log.error({ error }, 'The certificate of the HTTPS listener could not be renewed.'))
      .finally(() => (isLooking = false))
  }, identityCheck)
  timer.unref()
  shutdown.add('identity', () => clearInterval(timer))
}

interface PlainParts {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly health: Health
  readonly shutdown: Shutdown
}

async function startPlainListeners(
  app: NestFastifyApplication,
  { config, log, metrics, shutdown }: PlainParts
): Promise<{ readonly http: number; readonly metrics: number }> {
  const measured = createPlainListener([metrics.handler], log)
  shutdown.add('metrics', grace => measured.close(grace))
  const metricsPort = await measured.listen(config.metrics.host, config.metrics.port)
  if (!config.roles.includes('front')) return { http: 0, metrics: metricsPort }
  const distribution = app.get(DistributionService)
  const ocsp = app.get(OcspService)
  const files: PlainHandler = async ({ path }) => {
    if (path === '/healthz') return { contentType: 'application/json', body: '{"status":"ok"}' }
    const file = await distribution.find(path)
    if (file === undefined) return ocsp.get(path)
    return { contentType: file.type, body: file.body, headers: cachingHeaders(file) }
  }
  const http = createPlainListener([files], log, [ocsp.post])
  shutdown.add('http', grace => http.close(grace))
  return { http: await http.listen(config.http.host, config.http.port), metrics: metricsPort }
}

function cachingHeaders(file: PublicFile): Readonly<Record<string, string>> {
  return {
    'cache-control': `public, max-age=${file.maxAge}`,
    etag: `"${file.etag}"`,
    'last-modified': file.modifiedAt.toUTCString(),
    ...(file.expiresAt === undefined ? {} : { expires: file.expiresAt.toUTCString() })
  }
}
