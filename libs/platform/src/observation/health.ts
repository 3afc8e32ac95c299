/** Whether this process can do its work. */
export interface Health {
  /** Adds a check under a name; it fails by throwing, or by taking longer than two seconds. */
  add(name: string, check: () => Promise<void>): void
  /** Adds a check that people must look at when it fails, while the process does its work: it stays ready. */
  addWarning(name: string, check: () => Promise<void>): void
  /** Makes the process not ready from now on, so that no new work is sent to it while it ends. */
  drain(): void
  /** Runs all checks at once. The reasons of failures stay in the log: anyone may ask. */
  report(): Promise<HealthReport>
}

/** The answer of `/readyz`. */
export interface HealthReport {
  readonly status: 'ready' | 'not-ready' | 'draining'
  readonly checks: Readonly<Record<string, CheckResult>>
}

/** What became of one check. */
type CheckResult = 'ok' | 'warning' | 'failing'

const LIMIT_MILLISECONDS = 2000

interface Check {
  readonly check: () => Promise<void>
  readonly failed: 'warning' | 'failing'
}

/** Collects the checks of this process. `onFailure` is told of each check that fails. */
export function createHealth(onFailure: (name: string, reason: unknown) => void): Health {
  const checks = new Map<string, Check>()
  let isDraining = false

  const run = async (name: string, { check, failed }: Check): Promise<readonly [string, CheckResult]> => {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(new Error(`no answer in ${LIMIT_MILLISECONDS} ms`))
    }, LIMIT_MILLISECONDS)
    try {
      await Promise.race([check(), late])
      return [name, 'ok']
    } catch (error) {
      onFailure(name, error)
      return [name, failed]
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    add: (name, check) => {
      checks.set(name, { check, failed: 'failing' })
    },
    addWarning: (name, check) => {
      checks.set(name, { check, failed: 'warning' })
    },
    drain: () => {
      isDraining = true
    },
    report: async () => {
      const results = await Promise.all([...checks].map(([name, check]) => run(name, check)))
      const isReady = results.every(([, result]) => result !== 'failing')
      return {
        status: isDraining ? 'draining' : isReady ? 'ready' : 'not-ready',
        checks: Object.fromEntries(results)
      }
    }
  }
}
