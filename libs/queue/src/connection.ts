import type { PoolConfig } from 'pg'
import type { ConnectionSettings } from '@app/storage'

/** The schema that BullMQ keeps its tables and functions in. */
export const QUEUE_SCHEMA = 'bullmq'

/** The settings of a connection as `pg` takes them. In a URL, query parameters win over the part before the host. */
export function poolConfigOf(settings: ConnectionSettings): PoolConfig {
  const { url, applicationName, poolSize, ssl, ...endpoint } = settings
  const common = {
    application_name: applicationName,
    max: poolSize,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    ...(ssl === undefined ? {} : { ssl })
  }
  if (url === undefined) return { ...common, ...endpoint }
  const credentials = new URLSearchParams({
    user: endpoint.user,
    ...(endpoint.password === undefined ? {} : { password: endpoint.password })
  })
  return { ...common, connectionString: `${url}${url.includes('?') ? '&' : '?'}${credentials.toString()}` }
}
