import { generateKeyPair } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startEmbeddedPostgres } from '@app/platform'
import { ensureRoles, migrate, PROCESS_ROLES, type ProcessRole } from '@app/storage'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'

/** The PostgreSQL of this test run, as the specs get it from `inject('postgres')`. */
export interface ProvidedPostgres {
  /** The directory of its socket. */
  readonly host: string
  readonly port: number
  readonly owner: { readonly user: string; readonly password: string }
  readonly rolePasswords: Readonly<Record<ProcessRole, string>>
  /** A migrated database that nobody connects to, to be cloned. */
  readonly template: string
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgres: ProvidedPostgres
    /** The private keys of the servers' recovery agents, PEM: made once for the run, for RSA keys are dear to make. */
    readonly agentKeys: readonly string[]
  }
}

const TEMPLATE = 'certkeep_template'

interface Cluster {
  readonly provided: ProvidedPostgres
  readonly agentKeys: readonly string[]
  stop(): Promise<void>
}

/** Projects of one run share the cluster; each of them loads this file anew, hence a place outside of it. */
const shared = globalThis as { certkeepTestCluster?: { readonly cluster: Promise<Cluster>; users: number } }

/** Starts one PostgreSQL for the run, with the roles and a migrated template database, and ends it after the last user. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const held = (shared.certkeepTestCluster ??= { cluster: startCluster(), users: 0 })
  held.users++
  const cluster = await held.cluster
  project.provide('postgres', cluster.provided)
  project.provide('agentKeys', cluster.agentKeys)
  return async () => {
    held.users--
    if (held.users > 0) return
    delete shared.certkeepTestCluster
    await cluster.stop()
  }
}

async function startCluster(): Promise<Cluster> {
  const home = mkdtempSync(join(tmpdir(), 'certkeep-test-'))
  const running = await startEmbeddedPostgres({ home })
  const stop = async () => {
    await running.stop()
    rmSync(home, { recursive: true, force: true })
    rmSync(running.directory, { recursive: true, force: true })
  }
  try {
    const [provided, agentKeys] = await Promise.all([prepareTemplate(running.settings), makeAgentKeys()])
    return { provided, agentKeys, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function makeAgentKeys(): Promise<readonly string[]> {
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
  const options = { modulusLength: 2048, privateKeyEncoding, publicKeyEncoding }
  const make = promisify(generateKeyPair)
  return Promise.all([1, 2, 3].map(async () => (await make('rsa', options)).privateKey))
}

interface OwnerSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

async function prepareTemplate(settings: OwnerSettings): Promise<ProvidedPostgres> {
  const { host, port, user, password } = settings
  const rolePasswords = Object.fromEntries(PROCESS_ROLES.map(role => [role, `test-${role}`]))
  const client = new Client({ ...settings })
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${TEMPLATE}`)
    const owner = { ...settings, database: TEMPLATE, applicationName: 'test', poolSize: 2 }
    await ensureRoles(owner, rolePasswords as Record<ProcessRole, string>)
    await migrate(owner)
    await client.query(`ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`)
  } finally {
    await client.end()
  }
  return {
    host,
    port,
    owner: { user, password },
    rolePasswords: rolePasswords as Record<ProcessRole, string>,
    template: TEMPLATE
  }
}
