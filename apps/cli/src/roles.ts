import { NestFactory } from '@nestjs/core'
import type { DynamicModule, INestApplicationContext } from '@nestjs/common'
import { systemClock } from '@app/core'
import { nestLoggerOf, runtimeModule, type Logger, type Role, type Runtime } from '@app/platform'
import { Outcomes, StatusChanges, Steps, Wakeups } from '@app/queue'
import { ArchiveModule } from '../../archive/src/archive.module.js'
import { AuthorityModule } from '../../authority/src/authority.module.js'
import { LdapReadingModule } from '../../console/src/ldap-reading/ldap-reading.module.js'
import { RegistrationsModule } from '../../console/src/registration/registrations.module.js'
import { PublishingModule } from '../../front/src/publishing/publishing.module.js'
import { WebhooksModule } from '../../front/src/webhooks/webhooks.module.js'
import { systemEntropy } from './administration/administration.js'
import type { Installation } from './installation.js'

/** The roles that serve nothing but their queues. */
export type WorkerRole = 'authority' | 'archive'

/** Those of a configuration's roles that serve nothing but their queues. */
export function workerRoles(roles: readonly Role[]): readonly WorkerRole[] {
  return roles.filter((role): role is WorkerRole => role === 'authority' || role === 'archive')
}

/** Roles at work in this process. */
export interface RunningRoles {
  readonly runtime: Runtime
  readonly context: INestApplicationContext
  stop(): Promise<void>
}

/** What a process runs with: the wake-ups of its steps and those who wait for outcomes. */
function createRuntime(installation: Installation, log: Logger): Runtime {
  // Any role may wake any step; the one that this process has the credentials of is one of its own.
  const [role = 'front'] = installation.config.roles
  const wakeups = new Wakeups({ connection: installation.connection(role), log })
  const outcomes = new Outcomes()
  if (installation.config.webhooks.length > 0) outcomes.onNotify(() => wakeups.nudge('webhooks'))
  if (installation.config.directory.ldap.url !== undefined) outcomes.onNotify(() => wakeups.nudge('publish'))
  return {
    config: installation.config,
    log,
    clock: systemClock,
    entropy: systemEntropy,
    wakeups,
    steps: new Steps(wakeups, log),
    outcomes,
    statusChanges: new StatusChanges()
  }
}

/**
 * Starts worker roles, and `more` beside them. Their steps run when they are woken: by `runtime.wakeups`, once these
 * have been started.
 */
export async function startRoles(
  installation: Installation,
  roles: readonly WorkerRole[],
  log: Logger,
  more: readonly DynamicModule[] = []
): Promise<RunningRoles> {
  const runtime = createRuntime(installation, log)
  const modules: Record<WorkerRole, () => DynamicModule> = {
    authority: () => AuthorityModule.register(installation.connection('authority'), installation.keys('authority')),
    archive: () => ArchiveModule.register(installation.connection('archive'), installation.keys('archive'))
  }
  class RolesModule {}
  const imports = [runtimeModule(runtime), ...roles.map(role => modules[role]()), ...more]
  const context = await NestFactory.createApplicationContext(
    { module: RolesModule, imports },
    { logger: nestLoggerOf(log), abortOnError: false }
  )
  return {
    runtime,
    context,
    stop: async () => {
      await runtime.wakeups.stop()
      await runtime.steps.stop()
      runtime.outcomes.close()
      await context.close()
    }
  }
}

/** Notices to other servers are sent by the front, which has the network, and only where somebody is to be told. */
export function webhooksOf(installation: Installation): readonly DynamicModule[] {
  const { roles, webhooks } = installation.config
  if (!roles.includes('front') || webhooks.length === 0) return []
  return [WebhooksModule.register(installation.connection('front'))]
}

/** Certificates are published by the front, which has the network, and only where there is a server to take them. */
export function publishingOf(installation: Installation): readonly DynamicModule[] {
  const { roles, directory } = installation.config
  if (!roles.includes('front') || directory.ldap.url === undefined) return []
  return [PublishingModule.register(installation.connection('front'))]
}

/** What clients register is decided by the console, which keeps the directory and approves, and only where they may. */
export function registrationsOf(installation: Installation): readonly DynamicModule[] {
  const { roles, registration } = installation.config
  if (!roles.includes('console') || !registration.enabled) return []
  return [RegistrationsModule.register(installation.connection('console'))]
}

/** Accounts and groups are read by the console, which keeps the directory, and only where the settings say so. */
export function ldapReadingOf(installation: Installation): readonly DynamicModule[] {
  const { roles, directory } = installation.config
  if (!roles.includes('console') || !directory.ldap.read.enabled) return []
  return [LdapReadingModule.register(installation.connection('console'))]
}
