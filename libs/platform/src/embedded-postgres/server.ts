import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@app/core'
import type { PostgresBinaries } from './binaries.js'
import { requestFastShutdown, SERVER_ENVIRONMENT, serverArguments } from './cluster.js'
import { prepareSocketDirectory, type ServerLocation } from './location.js'
import { clearStalePostmaster, isAlive, readPostmaster } from './postmaster.js'
import { identityOf } from './server-user.js'

/** Where a running server listens: the directory of its socket, or a loopback address. */
export interface ServerEndpoint {
  readonly host: string
  readonly port: number
  readonly pid: number
  /** Whether this call started it; false when it ran already. */
  readonly started: boolean
}

/** What is needed to start and to find one server. */
export interface Server {
  readonly location: ServerLocation
  readonly binaries: PostgresBinaries
  readonly report: (message: string) => void
}

const POLL_MILLISECONDS = 20
const REPORT_EVERY_MILLISECONDS = 10_000
/** Recovery after a crash replays at most `max_wal_size`; five minutes are ample for that on slow disks. */
const START_TIMEOUT_MILLISECONDS = 300_000
const STOP_TIMEOUT_MILLISECONDS = 60_000
/** A server that other processes start and stop at the same moment is tried again this often. */
const START_ATTEMPTS = 5

/**
 * Finds the running server or starts it, and returns once it takes connections. Safe when several processes call it
 * at once: PostgreSQL's own lock file lets one server through and all callers find that one. Clears what a killed
 * server left behind. Throws `unavailable` when it does not start; the message has its last words.
 */
export async function ensureServer(server: Server): Promise<ServerEndpoint> {
  const { location, report } = server
  const begun = Date.now()
  let attempts = 0
  let started = false
  let reported = begun
  for (;;) {
    const state = readPostmaster(location.data)
    if (state.kind === 'ready') return { host: state.host, port: state.port, pid: state.pid, started }
    const now = Date.now()
    if (now - begun > START_TIMEOUT_MILLISECONDS) throw startError(server, 'it does not become ready')
    if (state.kind === 'changing') {
      if (now - reported > REPORT_EVERY_MILLISECONDS) {
        report(`Waiting for the database server, which is ${state.status}.`)
        reported = now
      }
      await sleep(POLL_MILLISECONDS)
      continue
    }
    if (state.kind === 'stale' && !clearStalePostmaster(location.data, state.pid)) {
      await sleep(POLL_MILLISECONDS)
      continue
    }
    const outcome = await launch(server)
    started = outcome === 'running'
    if (started) continue
    // Another process was first, or an orphan of a killed server still holds the directory for a moment.
    if (++attempts >= START_ATTEMPTS && readPostmaster(location.data).kind !== 'ready')
      throw startError(server, outcome)
    await sleep(attempts * 200)
  }
}

function startError(server: Server, outcome: string): AppError {
  const log = join(server.location.directory, 'log')
  const message = `The embedded PostgreSQL did not start: ${outcome}. Its log is in ${log}.`
  return new AppError('unavailable', message, { directory: server.location.directory })
}

/** Starts the server process and waits until it is ready or has ended; then returns why it ended. */
async function launch({ location, binaries }: Server): Promise<string> {
  const socketDirectory = prepareSocketDirectory(location)
  const port = socketDirectory === undefined ? await findFreePort() : 5432
  const lastWords = join(location.directory, 'start.log')
  const output = openSync(lastWords, 'w', 0o600)
  try {
    // In a session of its own, so that Ctrl-C in the terminal reaches this process first, which then stops it.
    const child = spawn(binaries.postgres, serverArguments(location, socketDirectory, port), {
      ...identityOf(location.user),
      cwd: location.directory,
      env: SERVER_ENVIRONMENT,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', output, output]
    })
    const ended = new Promise<'ended'>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', () => {
        resolve('ended')
      })
    })
    child.unref()
    for (;;) {
      if ((await Promise.race([ended, sleep(POLL_MILLISECONDS)])) === 'ended') return lastLine(lastWords)
      const state = readPostmaster(location.data)
      if (state.kind === 'ready' && state.pid === child.pid) return 'running'
    }
  } finally {
    closeSync(output)
  }
}

function lastLine(path: string): string {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  const fatal = lines.find(line => /\b(FATAL|PANIC):/.test(line)) ?? lines.at(-1)
  return fatal?.replace(/^.*?\b(?:FATAL|PANIC):\s*/, '') || 'it gave no reason'
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  })
}

/** Ends the server and returns when its process is gone. Throws `unavailable` when it has not ended in a minute. */
export async function stopServer(server: Server, pid: number): Promise<void> {
  requestFastShutdown(pid, server.location, server.binaries)
  const begun = Date.now()
  while (isAlive(pid)) {
    if (Date.now() - begun > STOP_TIMEOUT_MILLISECONDS) {
      const message = `The embedded PostgreSQL (process ${pid}) has not ended yet; it is still writing its data.`
      throw new AppError('unavailable', message, { pid })
    }
    await sleep(POLL_MILLISECONDS)
  }
}
