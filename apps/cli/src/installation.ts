import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, isAppError } from '@app/core'
import { readSecretFile, writeNewFile } from '@app/files'
import { createFileKeyStore, type KeyStore, type PassphraseSource } from '@app/keys'
import { createKeyFiles, parseDatabaseUrl, startEmbeddedPostgres, type Config } from '@app/platform'
import { migrateQueueSchema } from '@app/queue'
import {
  databaseUser,
  ensureRoles,
  migrate,
  openDatabase,
  PROCESS_ROLES,
  verifySchema,
  type ConnectionSettings,
  type ProcessRole
} from '@app/storage'

/** The roles that hold private keys, each in a store of its own: who holds which key is the architecture. */
type KeyHolder = 'front' | 'authority' | 'archive'

/** An installation on this machine, open: its database migrated, its key stores at hand. */
export interface Installation {
  readonly config: Config
  /**
   * How a role connects: as its own PostgreSQL user, with the rights of that role only. Throws `config_invalid` for any
   * other role when the database URL is that of one role.
   */
  connection(role: ProcessRole): ConnectionSettings
  /**
   * The owner of the schema: migrations and local administration. Throws `config_invalid` when the database URL is that
   * of a role.
   */
  readonly owner: ConnectionSettings
  /** The one role that the database URL is good for; undefined when it is the owner's. */
  readonly onlyRole: ProcessRole | undefined
  keys(holder: KeyHolder): KeyStore
  /** What every key of this installation is sealed under. */
  readonly passphrase: PassphraseSource
  /** Gives up the hold on the embedded database. */
  close(): Promise<void>
}

/** Takes one sentence at each event that an operator should know of. */
export type Report = (message: string) => void

/**
 * Opens the installation of a configuration: makes the home at first use, starts or joins the database. As the owner of
 * the database it brings the roles and the schema up to date; as one of the roles it takes both as they are. Throws
 * `config_invalid`, `database_incompatible` or `unavailable` with a remedy.
 */
export async function openInstallation(config: Config, report: Report): Promise<Installation> {
  const database = await openDatabaseServer(config, report)
  try {
    const onlyRole = PROCESS_ROLES.find(role => databaseUser(role) === database.login.user)
    const access =
      onlyRole === undefined ? await accessAsOwner(config, database, report) : await accessAs(onlyRole, database)
    const passphrase = passphraseSource(config)
    return {
      config,
      onlyRole,
      get owner() {
        return access.owner()
      },
      connection: role => access.connection(role),
      passphrase,
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

interface DatabaseServer {
  /** Whom the configuration has the program log in as. */
  readonly login: ConnectionSettings
  close(): Promise<void>
}

async function openDatabaseServer(config: Config, report: Report): Promise<DatabaseServer> {
  const common = { applicationName: 'certkeep owner', poolSize: 4 }
  if (config.databaseUrl !== undefined) {
    mkdirSync(config.home, { recursive: true, mode: 0o700 })
    return { login: { ...parseDatabaseUrl(config.databaseUrl), ...common }, close: () => Promise.resolve() }
  }
  const server = await startEmbeddedPostgres({ home: config.home, report })
  return { login: { ...server.settings, ...common }, close: () => server.stop() }
}

/** How the owner and the roles connect. */
interface Access {
  owner(): ConnectionSettings
  connection(role: ProcessRole): ConnectionSettings
}

async function accessAsOwner(config: Config, { login: owner }: DatabaseServer, report: Report): Promise<Access> {
  const passwords = await rolePasswords(config.home)
  await ensureRoles(owner, passwords)
  const { applied } = await migrate(owner)
  if (applied.length > 0) report(`The database schema was brought up to date (${applied.length} steps).`)
  await migrateQueueSchema(owner)
  return {
    owner: () => owner,
    connection: role => asRole({ ...owner, user: databaseUser(role), password: passwords[role] }, role)
  }
}

/** A process that is given the credentials of its role alone can change neither roles nor schema: it checks them. */
async function accessAs(only: ProcessRole, { login }: DatabaseServer): Promise<Access> {
  const settings = asRole(login, only)
  const database = await openDatabase({ ...settings, poolSize: 1 })
  try {
    await verifySchema(database.dataSource)
  } finally {
    await database.close()
  }
  return {
    owner: () => {
      throw new AppError(
        'config_invalid',
        `The database URL is that of ${login.user}. Use the URL of the database's owner for what changes the installation.`
      )
    },
    connection: role => {
      if (role === only) return settings
      throw new AppError(
        'config_invalid',
        `The database URL is that of ${login.user}, which can serve the role ${only} only. Start with --role ${only}, or use the URL of the database's owner.`
      )
    }
  }
}

function asRole(settings: ConnectionSettings, role: ProcessRole): ConnectionSettings {
  // The console lists, counts and searches.
  return { ...settings, applicationName: `certkeep ${role}`, poolSize: 8, readsByIndex: role !== 'console' }
}

/** The generated passwords of the process roles, one file each. */
async function rolePasswords(home: string): Promise<Readonly<Record<ProcessRole, string>>> {
  const passwords: Partial<Record<ProcessRole, string>> = {}
  for (const role of PROCESS_ROLES) passwords[role] = (await generatedSecret(home, `database-${role}`)).toString('utf8')
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
