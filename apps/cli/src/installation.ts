import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isAppError } from '@app/core'
import { createFileKeyStore, type KeyStore } from '@app/keys'
import {
  createKeyFiles,
  parseDatabaseUrl,
  readSecretFile,
  startEmbeddedPostgres,
  writeNewFile,
  type Config
} from '@app/platform'
import { migrateQueueSchema } from '@app/queue'
import { databaseUser, ensureRoles, migrate, type ConnectionSettings, type ProcessRole } from '@app/storage'

/** The roles that hold private keys, each in a store of its own: who holds which key is the architecture. */
export type KeyHolder = 'front' | 'authority' | 'archive'

/** An installation on this machine, open: its database migrated, its key stores at hand. */
export interface Installation {
  readonly config: Config
  /** How a role connects: as its own PostgreSQL user, with the rights of that role only. */
  connection(role: ProcessRole): ConnectionSettings
  /** The owner of the schema: migrations and local administration. */
  readonly owner: ConnectionSettings
  keys(holder: KeyHolder): KeyStore
  /** Gives up the hold on the embedded database. */
  close(): Promise<void>
}

/** Takes one sentence at each event that an operator should know of. */
export type Report = (message: string) => void

const processRoles: readonly ProcessRole[] = ['front', 'console', 'authority', 'archive']

/**
 * Opens the installation of a configuration: makes the home at first use, starts or joins the database, brings its
 * schema up to date. Throws `config_invalid`, `database_incompatible` or `unavailable` with a remedy.
 */
export async function openInstallation(config: Config, report: Report): Promise<Installation> {
  const database = await openDatabaseServer(config, report)
  try {
    const passwords = await rolePasswords(config.home)
    await ensureRoles(database.owner, passwords)
    const { applied } = await migrate(database.owner)
    if (applied.length > 0) report(`The database schema was brought up to date (${applied.length} steps).`)
    await migrateQueueSchema(database.owner)
    const passphrase = passphraseSource(config)
    return {
      config,
      owner: database.owner,
      connection: role => ({
        ...database.owner,
        user: databaseUser(role),
        password: passwords[role],
        applicationName: `certkeep ${role}`,
        poolSize: 8
      }),
      keys: holder => {
        const directory = join(config.home, 'keys', holder)
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        return createFileKeyStore({ files: createKeyFiles(directory), passphrase })
      },
      close: () => database.close()
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function openDatabaseServer(
  config: Config,
  report: Report
): Promise<{ readonly owner: ConnectionSettings; close(): Promise<void> }> {
  const common = { applicationName: 'certkeep owner', poolSize: 4 }
  if (config.databaseUrl !== undefined) {
    mkdirSync(config.home, { recursive: true, mode: 0o700 })
    return { owner: { ...parseDatabaseUrl(config.databaseUrl), ...common }, close: () => Promise.resolve() }
  }
  const server = await startEmbeddedPostgres({ home: config.home, report })
  return { owner: { ...server.settings, ...common }, close: () => server.stop() }
}

/** The generated passwords of the process roles, one file each. */
async function rolePasswords(home: string): Promise<Readonly<Record<ProcessRole, string>>> {
  const passwords: Partial<Record<ProcessRole, string>> = {}
  for (const role of processRoles) passwords[role] = (await generatedSecret(home, `database-${role}`)).toString('utf8')
  return passwords as Record<ProcessRole, string>
}

/** The passphrase of the key stores: from the file of the configuration, else one generated in the home. */
function passphraseSource(config: Config): () => Promise<Uint8Array> {
  const { passphraseFile } = config.ca
  return () =>
    passphraseFile === undefined ? generatedSecret(config.home, 'passphrase') : readSecretFile(passphraseFile)
}

async function generatedSecret(home: string, name: string): Promise<Buffer> {
  const directory = join(home, 'secrets')
  const path = join(directory, name)
  if (!existsSync(path)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const secret = Buffer.from(randomBytes(32).toString('base64url'))
    try {
      await writeNewFile(path, secret, 0o600)
    } catch (error) {
      // Another process made it at the same moment; its secret is the one.
      if (!isAppError(error, 'file_exists')) throw error
    }
  }
  return Buffer.from(await readSecretFile(path))
}
