import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'
import { AppError, systemClock, type Clock, type Entropy } from '@app/core'
import { loadConfig } from '@app/platform'
import { CaStore, openDatabase, type CaRow, type Database } from '@app/storage'
import { openInstallation, type Installation } from '../installation.js'

/** An open installation with the owner's rights, for the person at the machine. */
export interface Administration {
  readonly installation: Installation
  readonly database: Database
  readonly clock: Clock
  readonly entropy: Entropy
  /** Who acts, for the audit log: `local:` and the operating system's account. */
  readonly actor: string
}

/** The program's source of randomness. */
export const systemEntropy: Entropy = { bytes: length => randomBytes(length) }

/** Opens the installation that the environment names, works, and closes it again. Talk goes to stderr. */
export async function withAdministration<T>(work: (administration: Administration) => Promise<T>): Promise<T> {
  const installation = await openInstallation(loadConfig(process.env), message => process.stderr.write(`${message}\n`))
  try {
    const database = await openDatabase(installation.owner)
    try {
      const actor = localActor()
      return await work({ installation, database, clock: systemClock, entropy: systemEntropy, actor })
    } finally {
      await database.close()
    }
  } finally {
    await installation.close()
  }
}

/** The account at this machine, as the audit log names it. */
export function localActor(): string {
  try {
    return `local:${userInfo().username}`
  } catch {
    // A container may run as a number that no account has.
    return `local:uid-${process.getuid?.() ?? 'unknown'}`
  }
}

/** The CA of this name, or the only one when none is named. Throws `not_found` or `invalid_argument`. */
export async function chooseCa(database: Database, name: string | undefined): Promise<CaRow> {
  const cas = new CaStore(database.dataSource)
  if (name !== undefined) {
    const ca = await cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name}". "certkeep ca info" lists them.`)
    return ca
  }
  const [only, ...others] = await cas.list()
  if (only === undefined) throw new AppError('not_found', 'There is no CA yet. Make one with "certkeep ca init".')
  if (others.length > 0) throw new AppError('invalid_argument', 'There are several CAs. Name one with --ca.')
  return only
}
