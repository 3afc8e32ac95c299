import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { PlainHandler } from '../http/plain-listener.js'

/** The metrics of this process (Prometheus). */
export interface Metrics {
  /** Where other parts register metrics of their own. */
  readonly registry: Registry
  /** Counts an answered request. `route` is the pattern of the route, never the address as sent. */
  observeRequest(request: ObservedRequest): void
  /** Serves `/metrics`. */
  readonly handler: PlainHandler
}

/** What is counted of a request. */
interface ObservedRequest {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly seconds: number
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Collects the process's own figures (CPU, memory, event loop lag, garbage collection) and those of requests. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'certkeep_http_request_seconds',
    help: 'Time from the arrival of a request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [registry]
  })
  return {
    registry,
    observeRequest: ({ method, route, status, seconds }) => {
      // Callers may invent methods; each would be a series of its own.
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds)
    },
    handler: async ({ path }) =>
      path === '/metrics' ? { contentType: registry.contentType, body: await registry.metrics() } : undefined
  }
}
