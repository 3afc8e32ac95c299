import { existsSync } from 'node:fs'
import { AppError, systemClock } from '@app/core'
import { verifyRecoveryPackage, type Console, type RecoveryPackage } from '@app/client'
import { writeNewFile } from '@app/files'
import { formatName } from '@app/x509'
import { EXIT } from '../exit-code.js'
import type { FetchOptions } from '../key-options.js'
import type { Talk } from '../output.js'
import { findConnection, withConsole } from './connection.js'
import { encodeRecoveryFile } from './recovery-file.js'

/** `key fetch`. */
export function fetchRecovery(id: number, options: FetchOptions, talk: Talk): Promise<void> {
  return withConsole(options, async console => {
    const { settings } = await findConnection(options)
    const file = await fetchPackage(console, id, { ...options, trust: settings.trust }, talk)
    if (file === undefined) process.exitCode = EXIT.pending
  })
}

/**
 * Releases an approved recovery, once and for all, and writes down what is delivered, which is verified against the trust (PEM)
 * before. What did not get here whole can be fetched again until the time for it is over. Gives the file; undefined when
 * approvals are missing. Throws `file_exists` before anything is released, and what `verifyRecoveryPackage` and the server
 * refuse it for.
 */
export async function fetchPackage(
  { recoveries }: Console,
  id: number,
  options: { readonly out?: string; readonly trust: string },
  talk: Talk
): Promise<string | undefined> {
  const { mode } = await recoveries.get(id)
  const out = options.out ?? `recovery-${id}.${mode === 'threshold' ? 'pem' : 'p7m'}`
  if (existsSync(out)) {
    throw new AppError(
      'file_exists',
      `${out} exists and is not overwritten. Nothing was released; choose another --out.`
    )
  }
  if (!(await release(recoveries, id, talk))) return undefined
  const recovery = await recoveries.package(id)
  const certificate = await verifyRecoveryPackage(recovery, options.trust, systemClock.now())
  await writeNewFile(out, bytesOf(recovery), 0o600)
  talk.say(`The sealed key of ${formatName(certificate.subject)} is in ${out}, verified.`)
  talk.say(
    mode === 'threshold'
      ? `Open it with "certkeep key open ${out} --out NAME.p12".`
      : `Any one of its agents opens it with "certkeep key open ${out} --agent AGENT.p12 --out NAME.p12".`
  )
  return out
}

/** Whether it is released to the caller, now or before. */
async function release(recoveries: Console['recoveries'], id: number, talk: Talk): Promise<boolean> {
  const { state, approvals } = await recoveries.get(id)
  // Approvals that had ceased to count may count again: the release approves it then.
  if (state === 'requested' && approvals.given < approvals.needed) {
    talk.say(`Recovery ${id} waits: ${approvals.given} of ${approvals.needed} have approved.`)
    return false
  }
  if (state !== 'released') await recoveries.release(id)
  return true
}

/** What was signed stays as it is, for other programs; the shares of a key that several open come with it. */
function bytesOf({ mode, package: sealed, shares, certificate, chain }: RecoveryPackage): Uint8Array {
  if (mode === 'any-agent') return sealed
  const transferred = shares.map(({ share }) => share)
  return Buffer.from(encodeRecoveryFile({ sealed, transferred, certificates: [certificate, ...chain] }))
}
