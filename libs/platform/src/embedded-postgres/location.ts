import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { linkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { AppError } from '@app/core'
import { canEnter, chooseServerUser, giveTo, type ServerUser } from './server-user.js'

/** Where the files of one embedded server are. */
export interface ServerLocation {
  /** Holds everything below; belongs to the server's user, mode 0700. */
  readonly directory: string
  /** PostgreSQL's data directory. */
  readonly data: string
  readonly user: ServerUser | undefined
}

/** Longest path of a socket: `sun_path` has 108 bytes on Linux and 104 on macOS, one of them for the final NUL. */
const SOCKET_PATH_LIMIT = process.platform === 'linux' ? 107 : 103
const SOCKET_NAME = '.s.PGSQL.5432'

/** The folder that data moves to when the home is closed to the server's user; the system's place for such data. */
const SYSTEM_STATE = '/var/lib'

/** Writes a file that never was there before, whole or not at all. False when another process was first. */
export function writeOnce(path: string, content: string, mode: number): boolean {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(unfinished, content, { mode, flag: 'wx', flush: true })
  try {
    linkSync(unfinished, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(unfinished)
  }
}

/** The home as an existing directory without symbolic links; made with access for its owner only when missing. */
export function prepareHome(home: string): string {
  // As root, the server's unprivileged user must be able to pass through it, not to list it.
  mkdirSync(home, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
  return realpathSync(home)
}

const noteOf = (home: string) => join(home, 'postgres-directory')

/** Where the server of this home has its files, if it was ever started; nothing is created. */
export function findServerLocation(home: string): ServerLocation | undefined {
  const note = noteOf(home)
  const directory = existsSync(note) ? readFileSync(note, 'utf8').trim() : join(home, 'postgres')
  if (!existsSync(directory)) {
    if (!existsSync(note)) return undefined
    const message =
      `The database of this installation was in ${directory}, which is gone. Restore it, ` +
      `or remove ${note} to start with an empty database.`
    throw new AppError('config_invalid', message, { directory })
  }
  const data = join(directory, 'data')
  return { directory, data, user: chooseServerUser(existsSync(data) ? data : directory) }
}

/**
 * Where the server of this home has its files, made when missing: below the home, or, when root's unprivileged
 * server user cannot pass through to it, in a directory of its own that a note in the home names.
 */
export function prepareServerLocation(home: string, report: (message: string) => void): ServerLocation {
  const found = findServerLocation(home)
  if (found) {
    assertReachable(found)
    return makeLocation(found.directory, found.user)
  }
  const user = chooseServerUser(undefined)
  if (canEnter(home, user)) return makeLocation(join(home, 'postgres'), user)

  const base = isInside(home, realpathSync(tmpdir())) ? realpathSync(tmpdir()) : SYSTEM_STATE
  const directory = makeDirectoryElsewhere(home, base, user)
  if (!writeOnce(noteOf(home), `${directory}\n`, 0o644)) {
    rmSync(directory, { recursive: true })
    return prepareServerLocation(home, report)
  }
  report(
    `The database is in ${directory}, because the unprivileged user it runs as (uid ${user?.uid}) cannot enter ${home}.`
  )
  return makeLocation(directory, user)
}

function isInside(path: string, directory: string): boolean {
  return path.startsWith(directory + sep)
}

function makeLocation(directory: string, user: ServerUser | undefined): ServerLocation {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  giveTo(directory, user)
  return { directory, data: join(directory, 'data'), user }
}

function makeDirectoryElsewhere(home: string, base: string, user: ServerUser | undefined): string {
  try {
    if (canEnter(base, user)) return mkdtempSync(join(base, 'certkeep-'))
  } catch (cause) {
    throw closedHome(home, base, user, cause)
  }
  throw closedHome(home, base, user, undefined)
}

function closedHome(home: string, base: string, user: ServerUser | undefined, cause: unknown): AppError {
  const message =
    `As root the database server runs as uid ${user?.uid}, which can enter neither ${home} nor ${base}. Set ` +
    'CERTKEEP_HOME to a directory it can reach, start Certkeep as an ordinary user, or set CERTKEEP_DATABASE_URL.'
  return new AppError('config_invalid', message, { home, base }, { cause })
}

function assertReachable(location: ServerLocation): void {
  const uid = process.getuid?.()
  if (uid === undefined) return
  const owner = lstatSync(location.directory).uid
  if (uid !== 0 && owner !== uid) {
    const message =
      `${location.directory} belongs to uid ${owner} and this process runs as uid ${uid}. Start Certkeep as the user ` +
      'that made the installation, or choose another CERTKEEP_HOME.'
    throw new AppError('config_invalid', message, { owner, uid })
  }
  if (canEnter(dirname(location.directory), location.user)) return
  const message =
    `The database in ${location.directory} runs as uid ${location.user?.uid}, which can no longer reach it. ` +
    'Let that user pass through the directories above it, or start Certkeep as the user that made the installation.'
  throw new AppError('config_invalid', message, { directory: location.directory })
}

/**
 * A directory for the server's socket, for nobody but the server's user, with a path short enough for a socket. It
 * stays the same over restarts, so that connection settings stay good. Undefined on Windows: no sockets there.
 */
export function prepareSocketDirectory(location: ServerLocation): string | undefined {
  if (process.platform === 'win32') return undefined
  const near = join(location.directory, 'run')
  if (fitsSocket(near)) {
    mkdirSync(near, { recursive: true, mode: 0o700 })
    giveTo(near, location.user)
    return near
  }
  const note = join(location.directory, 'socket-directory')
  const noted = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined
  if (noted !== undefined && isUsableSocketDirectory(noted, location.user)) return noted
  const made = makeSocketDirectory(location.user)
  rmSync(note, { force: true })
  if (writeOnce(note, `${made}\n`, 0o644)) return made
  rmSync(made, { recursive: true })
  return prepareSocketDirectory(location)
}

function fitsSocket(directory: string): boolean {
  return Buffer.byteLength(join(directory, SOCKET_NAME)) <= SOCKET_PATH_LIMIT
}

function isUsableSocketDirectory(path: string, user: ServerUser | undefined): boolean {
  if (!fitsSocket(path)) return false
  // The parent is a place where everyone can create names: whoever owns the directory could be anybody.
  if (!existsSync(path)) {
    if (!existsSync(dirname(path))) return false
    mkdirSync(path, { mode: 0o700 })
    giveTo(path, user)
  }
  const entry = lstatSync(path)
  return entry.isDirectory() && entry.uid === (user?.uid ?? process.getuid?.()) && (entry.mode & 0o077) === 0
}

function makeSocketDirectory(user: ServerUser | undefined): string {
  for (const base of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    if (!existsSync(base) || !fitsSocket(join(base, 'certkeep-XXXXXX')) || !canEnter(base, user)) continue
    const directory = mkdtempSync(join(base, 'certkeep-'))
    chmodSync(directory, 0o700)
    giveTo(directory, user)
    return directory
  }
  const message =
    'No directory for temporary files has a path short enough for a socket and is open to the database server. ' +
    'Set CERTKEEP_HOME or TMPDIR to a shorter path.'
  throw new AppError('config_invalid', message, { limit: SOCKET_PATH_LIMIT })
}
