import { removePending, saveSubmission } from '@app/client'
import { AppError, DISPOSITIONS, isAppError } from '@app/core'
import { exitCodeOfDisposition } from '../exit-code.js'
import type { InstallationOptions, NewRequestOptions } from '../client-options.js'
import { printFacts, type OutputFormat, type Talk } from '../output.js'
import { acceptAndInstall, installationOf, type Installation } from './accept-response.js'
import { findConnection, withCa, type OpenConnection } from './connection.js'
import { makeRequest, type KeptRequest } from './new-request.js'
import { explain, isWaiting, submitAndWait } from './submission.js'

/** What `enroll` takes. */
export interface EnrollCommand extends NewRequestOptions, InstallationOptions {
  readonly wait: number
  readonly output: OutputFormat
}

/**
 * `enroll`: request new, submit, wait and accept in one. The key is on disk before the request leaves, so nothing is lost
 * when something fails on the way; every ending that leaves it there says how to go on.
 */
export async function enroll(options: EnrollCommand, talk: Talk): Promise<void> {
  const directory = options.out ?? (options.p12 === undefined ? undefined : `${options.p12}.pending`)
  if (directory === undefined) throw new AppError('invalid_argument', 'Say where the certificate goes: --out or --p12.')
  const installation = await installationOf(options, directory)
  const connection = await findConnection(options)
  const isKeyBased = options.renew !== undefined && connection.settings.credentials === undefined
  // Whoever has no credential cannot ask the CA whether it archives keys.
  const wishes = isKeyBased && options.archive === undefined ? { ...options, archive: false } : options
  const kept = await makeRequest(wishes, directory, talk)
  await withCa(connection, async open => {
    if (isKeyBased) return renewByKey(open, kept, directory, installation, options)
    await submitKept(open, kept, directory, options, talk)
    const { request, trust } = open
    process.exitCode = exitCodeOfDisposition(request.status.disposition)
    if (!request.isIssued) return leave(open, directory, options, talk)
    await acceptAndInstall(directory, { trust, response: await request.getFullResponse() }, installation, options)
  })
}

/** Without a credential the old key's signature stands for one, and the answer comes with the call. */
async function renewByKey(
  { request, trust }: OpenConnection,
  kept: KeptRequest,
  directory: string,
  installation: Installation,
  options: EnrollCommand
): Promise<void> {
  await acceptAndInstall(directory, { trust, response: await request.exchange(kept.request) }, installation, options)
}

async function submitKept(
  { request, ca, url }: OpenConnection,
  kept: KeptRequest,
  directory: string,
  options: EnrollCommand,
  talk: Talk
): Promise<void> {
  try {
    const { requestId } = await submitAndWait(request, kept.request, { wait: options.wait }, talk)
    await saveSubmission(directory, { requestId, ca, url })
  } catch (error) {
    if (isAppError(error)) talk.say(`The request is kept; submit it again with: certkeep request submit ${directory}`)
    throw error
  }
}

async function leave(
  { request }: OpenConnection,
  directory: string,
  options: EnrollCommand,
  talk: Talk
): Promise<void> {
  await printFacts({ ...request.status }, options.output === 'json' ? 'json' : 'table')
  await explain(request, talk)
  if (isWaiting(request.status)) {
    talk.say(`The request is kept; when it is decided, run: certkeep request accept ${directory}`)
  } else if (request.status.disposition === DISPOSITIONS.error) {
    // Nothing can come of it any more, so nothing is worth keeping.
    await removePending(directory)
  } else {
    talk.say(`The request is kept in ${directory}, in case it is granted yet.`)
  }
}
