import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What `postmaster.pid` and the process it names say about the server of a data directory.
 * `absent`: no server. `stale`: the file outlived its server. `changing`: starting up or shutting down.
 */
export type PostmasterState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'stale'; readonly pid: number }
  | { readonly kind: 'changing'; readonly pid: number; readonly status: string }
  | { readonly kind: 'ready'; readonly pid: number; readonly host: string; readonly port: number }

/** The lines of `postmaster.pid` (PostgreSQL, src/include/utils/pidfile.h). */
const LINE = { pid: 0, port: 3, socketDirectory: 4, listenAddress: 5, status: 7 } as const

/** The state of the server of this data directory. Never blocks, never connects. */
export function readPostmaster(data: string): PostmasterState {
  let content: string
  try {
    content = readFileSync(join(data, 'postmaster.pid'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'absent' }
    throw error
  }
  const lines = content.split('\n').map(line => line.trim())
  const pid = Math.abs(Number(lines[LINE.pid]))
  const status = lines[LINE.status] ?? ''
  // The server writes the file in steps: an empty one is just being made, or was left by a full disk.
  if (!Number.isInteger(pid) || pid === 0) return { kind: 'changing', pid: 0, status: 'starting' }
  if (!isServerOf(pid, data)) return { kind: 'stale', pid }
  const host = lines[LINE.socketDirectory] || lines[LINE.listenAddress] || ''
  if (status !== 'ready') return { kind: 'changing', pid, status: status || 'starting' }
  return { kind: 'ready', pid, host, port: Number(lines[LINE.port]) }
}

/** Whether a process with this id runs and has not died already. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return !isZombie(pid)
}

/** A dead process that its parent has not fetched yet still answers to signals; PostgreSQL takes it for alive. */
function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The state follows the program's name, which stands in parentheses and may contain any character.
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return true
  }
}

/**
 * Process ids are given out again, in containers soon: only a process that works in the directory is its server.
 * Root in a container may not see where another user's process works, but sees how it was started.
 */
function isServerOf(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return true
  return workingDirectoryOf(pid) === realpathSync(data) || commandLineOf(pid).includes(data)
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

function commandLineOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** Whether any process still works in the data directory: after a crash of the server, its children for a moment. */
function isInUse(data: string): boolean {
  const directory = realpathSync(data)
  const owner = statSync(data).uid
  return readdirSync('/proc').some(name => {
    const pid = Number(name)
    if (!(pid > 0) || isZombie(pid)) return false
    const workingDirectory = workingDirectoryOf(pid)
    if (workingDirectory !== undefined) return workingDirectory === directory
    return commandLineOf(pid)[0]?.startsWith('postgres: ') === true && ownerOf(pid) === owner
  })
}

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid
}

/**
 * Removes the `postmaster.pid` of a dead server where PostgreSQL would not dare to: when the id belongs to another
 * process now, or to a dead one that is never fetched. Returns false while processes of the dead server remain; they
 * end by themselves within moments. Elsewhere than on Linux the decision stays PostgreSQL's.
 */
export function clearStalePostmaster(data: string, pid: number): boolean {
  if (process.platform !== 'linux') return true
  if (isInUse(data)) return false
  try {
    process.kill(pid, 0)
  } catch {
    return true
  }
  const state = readPostmaster(data)
  if (state.kind === 'stale' && state.pid === pid) rmSync(join(data, 'postmaster.pid'), { force: true })
  return true
}
