import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, readFileSync, statSync } from 'node:fs'
import { AppError } from '@app/core'

/** The unprivileged user that the server runs as when this process is root; PostgreSQL refuses to run as root. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const NOBODY: ServerUser = { uid: 65534, gid: 65534 }

/** The part of `spawn` options that makes a process run as the given user; none means as this process. */
export function identityOf(user: ServerUser | undefined): { readonly uid?: number; readonly gid?: number } {
  return user === undefined ? {} : { uid: user.uid, gid: user.gid }
}

/**
 * Who the server has to run as. Undefined means this process's own user, which is so unless it is root. For root:
 * the owner of an existing data directory, otherwise nobody.
 */
export function chooseServerUser(dataDirectory: string | undefined): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  if (dataDirectory !== undefined && existsSync(dataDirectory)) {
    const { uid, gid } = statSync(dataDirectory)
    if (uid !== 0) return { uid, gid }
  }
  return findNobody() ?? NOBODY
}

/** initdb demands an entry in the password database, so a system that lists nobody under another number decides. */
function findNobody(): ServerUser | undefined {
  if (!existsSync('/etc/passwd')) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
  const found = users.find(({ uid }) => uid === NOBODY.uid) ?? users.find(({ name }) => name === 'nobody')
  return found && found.uid > 0 ? { uid: found.uid, gid: found.gid } : undefined
}

/** Whether the user can pass through and into the directory. Asks the system, so that mounts and ACLs count. */
export function canEnter(directory: string, user: ServerUser | undefined): boolean {
  if (process.platform === 'win32') return true
  const tried = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], {
    ...identityOf(user),
    cwd: '/',
    stdio: 'ignore'
  })
  if (tried.error && (tried.error as NodeJS.ErrnoException).code === 'EPERM') {
    const message =
      'PostgreSQL does not run as root, and this process may not start another as an unprivileged user. ' +
      'Start Certkeep as an ordinary user, or set CERTKEEP_DATABASE_URL to a PostgreSQL server of your own.'
    throw new AppError('config_invalid', message, { uid: user?.uid }, { cause: tried.error })
  }
  return tried.status === 0
}

/** Gives a file or directory that this process made to the server's user. */
export function giveTo(path: string, user: ServerUser | undefined): void {
  if (user !== undefined) chownSync(path, user.uid, user.gid)
}
