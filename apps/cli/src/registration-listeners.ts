import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { createSideListener, type Config, type Logger, type ServerTls, type Shutdown } from '@app/platform'
import { LEGACY_PATHS, rewriteLegacyMethod } from '@app/registration'

/** The listeners of clients that register. */
export interface RegistrationListeners {
  /** 0 for one that is off. */
  readonly ports: { readonly mixed: number; readonly native: number }
  /** Uses this key and certificate from now on. */
  renew(tls: ServerTls): void
}

interface Parts {
  readonly config: Config
  readonly log: Logger
  readonly shutdown: Shutdown
}

const REGISTRATIONS = '/api/v1/configmgr/registrations'

/**
 * Starts the listeners that the configuration has: one without TLS for mixed mode, and one for native mode, which takes
 * nobody without a client certificate. Both serve the addresses of client registration and no others.
 */
export async function startRegistrationListeners(
  app: NestFastifyApplication,
  tls: ServerTls,
  { config, log, shutdown }: Parts
): Promise<RegistrationListeners> {
  const { enabled, mixed, native, legacyWire } = config.registration
  const isServed = enabled && config.roles.includes('front')
  const legacy: readonly string[] = legacyWire ? LEGACY_PATHS : []
  const options = {
    serves: (path: string) => path === REGISTRATIONS || path.startsWith(`${REGISTRATIONS}/`) || legacy.includes(path),
    logger: log,
    ...(legacyWire ? { rewrite: rewriteLegacyMethod } : {})
  }
  const plain = createSideListener(app, options)
  const secure = createSideListener(app, { ...options, tls })
  const start = async (listener: typeof plain, name: string, where: Config['registration']['mixed']) => {
    if (!isServed || !where.enabled) return 0
    const port = await listener.listen(where.host, where.port)
    shutdown.add(name, grace => listener.close(grace))
    return port
  }
  return {
    ports: { mixed: await start(plain, 'mixed', mixed), native: await start(secure, 'native', native) },
    renew: next => secure.renew(next)
  }
}
