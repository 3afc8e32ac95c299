import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { auditKeyId, verifyChain, type AuditPublicKey, type ChainReport } from '@app/audit'
import { equalBytes, isAppError, toHex } from '@app/core'
import { checkpointFileOf, openCheckpointFile } from '@app/platform'
import { AuditChainStore } from '@app/storage'
import { verificationMark } from './doctor-home.js'
import { withAdministration, type Administration } from './administration.js'

/** What a verification tells besides what it found. */
export interface LocalReport extends ChainReport {
  /** Events that are not linked yet, and so not verified. */
  readonly unlinked: number
  /** SHA-256 of the keys that were trusted: those whose private half is in the authority's key store. */
  readonly keys: readonly string[]
  /** The file of checkpoints; null when there is none. */
  readonly checkpointFile: string | null
}

/** Verifies the whole audit log against its chain, the checkpoints of the database and those of the file. */
export function verifyLocalAudit(options: {
  readonly checkpointFile?: string
  readonly onProgress?: (position: number) => void
}): Promise<LocalReport> {
  return withAdministration(async administration => {
    const { database, installation } = administration
    const chain = new AuditChainStore(database.dataSource)
    const path = options.checkpointFile ?? checkpointFileOf(installation.config)
    const file = await openCheckpointFile(path)
    const keys = await ownKeys(administration, chain)
    try {
      return await chain.withSnapshot(async unit => {
        const source = {
          listLinks: (after: number, limit: number) => chain.listLinks(after, limit, unit),
          findLastCheckpoint: () => chain.findLastCheckpoint(unit),
          findUnlinked: (upTo: number) => chain.findUnlinked(upTo, unit)
        }
        const report = await verifyChain(source, { keys, ...(file && { file }) }, options.onProgress)
        if (report.intact) await leaveMark(verificationMark(installation.config))
        const { unlinked } = await chain.status(unit)
        const names = keys.map(({ publicKey }) => toHex(auditKeyId(publicKey)))
        return { ...report, unlinked, keys: names, checkpointFile: file === undefined ? null : path }
      })
    } finally {
      file?.close()
    }
  })
}

/** For `doctor`, which tells how long ago somebody verified the log. */
async function leaveMark(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, '', { mode: 0o600 })
}

/** Who can write the database can write keys into it as well; the key store is outside of it. */
async function ownKeys({ installation }: Administration, chain: AuditChainStore): Promise<readonly AuditPublicKey[]> {
  const store = installation.keys('authority')
  const rows = await chain.listKeys()
  const own = await Promise.all(
    rows.map(async row => {
      try {
        return equalBytes((await store.signer(row.keyReference)).publicKey.raw, row.publicKey)
      } catch (error) {
        if (isAppError(error, 'not_found') || isAppError(error, 'invalid_argument')) return false
        throw error
      }
    })
  )
  return rows.filter((_, index) => own[index])
}
