import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@app/core'
import { attach, ensureDatabase, type Attachment } from './attachment.js'
import { getRunnableBinaries } from './binaries.js'
import { getSuperuserPassword, prepareCluster, SUPERUSER } from './cluster.js'
import { findServerLocation, prepareHome, prepareServerLocation } from './location.js'
import { readPostmaster } from './postmaster.js'
import { ensureServer, stopServer, type Server, type ServerEndpoint } from './server.js'

/** How to connect to a PostgreSQL database; the names are those of the `pg` package. */
export interface PostgresSettings {
  /** A host name, an address, or the absolute path of a directory with a socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** A server that this process holds. */
export interface RunningPostgres {
  /** As the owner of the cluster, to the database `certkeep`. They stay good when the server is restarted. */
  readonly settings: PostgresSettings
  /** The directory that holds the data; below the home where that is possible. */
  readonly directory: string
  /** False when the server ran already and this process joined its other users. */
  readonly started: boolean
  /** Gives up this process's hold; the last holder ends the server and waits for it. May be called twice. */
  stop(): Promise<void>
}

/** What {@link startEmbeddedPostgres} needs to know. */
export interface EmbeddedPostgresOptions {
  /** The directory of the installation, made when missing. */
  readonly home: string
  /** Takes one sentence at each event that an operator should know of. */
  readonly report?: (message: string) => void
}

const DATABASE = 'certkeep'

/**
 * Starts the embedded PostgreSQL of an installation, or joins it when it runs, and holds it until `stop`. At first
 * use it makes the cluster: scram-sha-256, a generated password in a file of the home, a UNIX socket only this user
 * can reach (on Windows the loopback interface), checksums, durable commits. As root the server runs as nobody.
 * While held, a server that ends unasked is started again. Throws `config_invalid` with a remedy when the machine or
 * the directories do not allow it, `database_incompatible` for data of another major version, `unavailable` when the
 * server does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const report = options.report ?? (() => undefined)
  const home = prepareHome(options.home)
  const location = prepareServerLocation(home, report)
  const binaries = await getRunnableBinaries(location.directory, location.user, report)
  const password = getSuperuserPassword(home, location)
  await prepareCluster(location, binaries, password)
  // The owner is known only now that the data directory exists.
  const server: Server = { location: findServerLocation(home) ?? location, binaries, report }

  const first = await hold(server, password)
  await ensureDatabase(first.endpoint, password, DATABASE)
  const stop = keepHold(server, password, first.attachment)
  return {
    settings: {
      host: first.endpoint.host,
      port: first.endpoint.port,
      user: SUPERUSER,
      password,
      database: DATABASE
    },
    directory: location.directory,
    started: first.endpoint.started,
    stop
  }
}

interface Held {
  readonly endpoint: ServerEndpoint
  readonly attachment: Attachment
}

async function hold(server: Server, password: string): Promise<Held> {
  let started = false
  for (;;) {
    const endpoint = await ensureServer(server)
    started ||= endpoint.started
    const attachment = await attach(endpoint, password)
    if (attachment) return { endpoint: { ...endpoint, started }, attachment }
  }
}

/** Keeps the hold over crashes of the server, and returns the function that gives it up. */
function keepHold(server: Server, password: string, first: Attachment): () => Promise<void> {
  let stopping: Promise<void> | undefined
  let current: Promise<Attachment> = Promise.resolve(first)

  const restore = async (): Promise<Attachment> => {
    for (;;) {
      try {
        const { attachment } = await hold(server, password)
        server.report('The database server is back.')
        return attachment
      } catch (error) {
        if (stopping) throw error
        server.report(error instanceof Error ? error.message : String(error))
        await sleep(5000, undefined, { ref: false })
      }
    }
  }
  const watch = async (): Promise<void> => {
    for (;;) {
      await (
        await current
      ).closed
      if (stopping) return
      server.report('The database server ended unexpectedly and is started again.')
      current = restore()
    }
  }
  watch().catch(() => undefined)

  const giveUp = async (): Promise<void> => {
    const attachment = await current.catch(() => undefined)
    if (!attachment) return
    const last = await attachment.detach().catch(() => false)
    if (last) await stopServer(server, attachment.pid)
    await attachment.close()
  }
  return () => (stopping ??= giveUp())
}

/**
 * Removes the database of an installation with all its data, and nothing else of the home. Throws
 * `installation_busy` while a server runs on it.
 */
export function removeEmbeddedPostgres(home: string): void {
  if (!existsSync(home)) return
  const location = findServerLocation(prepareHome(home))
  if (location) {
    if (existsSync(location.data) && !['absent', 'stale'].includes(readPostmaster(location.data).kind)) {
      const message = `The database in ${location.directory} is in use. Stop the processes that use it first.`
      throw new AppError('installation_busy', message, { directory: location.directory })
    }
    const socketNote = join(location.directory, 'socket-directory')
    if (existsSync(socketNote)) rmSync(readFileSync(socketNote, 'utf8').trim(), { recursive: true, force: true })
    rmSync(location.directory, { recursive: true, force: true })
  }
  for (const name of ['postgres-directory', 'postgres-password']) rmSync(join(home, name), { force: true })
}
