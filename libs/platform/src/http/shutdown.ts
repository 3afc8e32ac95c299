import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../logger/logger.js'

/** Ends the parts of a process in order. */
export interface Shutdown {
  /** Adds a part to end; the last added ends first. `stop` gets the milliseconds that are left of the grace time. */
  add(name: string, stop: (graceMilliseconds: number) => Promise<void> | void): void
  /** Ends all parts. Never rejects: what fails is logged and the rest goes on. Later calls wait for the first. */
  run(reason: string): Promise<void>
  /** Settles when `run` has ended everything. */
  readonly done: Promise<void>
}

/** A part that has not ended after the grace time and this is left behind. */
const PATIENCE_MILLISECONDS = 5_000

/** The parts of this process, to be ended within the grace time, in seconds. */
export function createShutdown(options: { readonly graceSeconds: number; readonly logger: Logger }): Shutdown {
  const { logger } = options
  const parts: { readonly name: string; readonly stop: (grace: number) => Promise<void> | void }[] = []
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let running = false

  const end = async (reason: string): Promise<void> => {
    logger.info({ reason }, 'Shutting down.')
    const deadline = Date.now() + options.graceSeconds * 1000
    for (const { name, stop } of parts.toReversed()) {
      const grace = Math.max(0, deadline - Date.now())
      const patience = new AbortController()
      try {
        const late = sleep(grace + PATIENCE_MILLISECONDS, 'late' as const, { signal: patience.signal }).catch(
          () => 'ok'
        )
        if ((await Promise.race([Promise.resolve(stop(grace)), late])) === 'late') {
          logger.error({ part: name }, 'A part of the server did not end in time and is left behind.')
        }
      } catch (error) {
        logger.error({ part: name, error }, 'A part of the server did not end cleanly.')
      } finally {
        patience.abort()
      }
    }
    logger.info({}, 'Shut down.')
    resolve()
  }
  return {
    add: (name, stop) => {
      parts.push({ name, stop })
    },
    run: reason => {
      if (!running) {
        running = true
        void end(reason)
      }
      return done
    },
    done
  }
}

/** Within this time a signal may come twice: to the whole process group, and handed on by the launcher. */
const ECHO_MILLISECONDS = 1000

/** Runs the shutdown at SIGTERM, SIGINT and SIGHUP; one that comes more than a second later ends the process at once. */
export function shutDownOnSignals(shutdown: Shutdown): void {
  let first: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (first !== undefined && Date.now() - first > ECHO_MILLISECONDS) process.exit(signal === 'SIGINT' ? 130 : 143)
      if (first !== undefined) return
      first = Date.now()
      void shutdown.run(signal)
    })
  }
}

/**
 * Waits until `close` has stopped the server: requests in flight have the grace time, idle connections are cut at
 * once and whenever another becomes idle, then all.
 */
export async function closeGracefully(
  server: Pick<Server, 'closeAllConnections' | 'closeIdleConnections'>,
  close: () => Promise<void>,
  graceMilliseconds: number
): Promise<void> {
  // A connection that has just answered would otherwise stay open until its keep-alive time ends.
  const sweep = setInterval(() => {
    server.closeIdleConnections()
  }, 50)
  const cut = setTimeout(() => {
    server.closeAllConnections()
  }, graceMilliseconds)
  try {
    await close()
  } finally {
    clearInterval(sweep)
    clearTimeout(cut)
  }
}
