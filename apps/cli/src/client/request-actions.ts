import { findSubmission, readPendingRequest, saveSubmission } from '@app/client'
import { buildCertificateBundle } from '@app/cms'
import { AppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { exitCodeOfDisposition } from '../exit-code.js'
import type { ConnectionOptions, NewRequestOptions } from '../client-options.js'
import { printEncoded, printFacts, type OutputFormat, type Talk } from '../output.js'
import { findConnection, isDirectory, readBytes, withCa } from './connection.js'
import { makeRequest } from './new-request.js'
import { explain, reportStatus, submitAndWait, waitForOutcome, withRequest } from './submission.js'

/** `request new` */
export async function newRequest(
  options: NewRequestOptions & { readonly out: string; readonly output: OutputFormat },
  talk: Talk
): Promise<void> {
  const { request, files } = await makeRequest(options, options.out, talk)
  const pemLabel = options.form === 'pkcs10' ? 'CERTIFICATE REQUEST' : 'CMS'
  if (options.output === 'pem' || options.output === 'der') {
    return printEncoded([{ der: request, pemLabel }], options.output)
  }
  const { request: path, key, state } = files
  await printFacts({ request: path, key, state }, options.output)
  talk.say(`Submit it with: certkeep request submit ${options.out}`)
}

/** What `request submit` takes. */
export interface SubmitCommand extends ConnectionOptions {
  readonly wait: number
  readonly attribute: readonly string[]
  readonly output: OutputFormat
}

/** `request submit` */
export async function submitRequest(what: string, options: SubmitCommand, talk: Talk): Promise<void> {
  const isKept = await isDirectory(what)
  const bytes = isKept ? await unsubmittedRequest(what) : decodeDerPemOrBase64(await readBytes(what))
  await withCa(await findConnection(options), async ({ request, ca, url }) => {
    const attributes = options.attribute.length === 0 ? {} : { attributes: options.attribute.join('\n') }
    const { requestId } = await submitAndWait(request, bytes, { wait: options.wait, ...attributes }, talk)
    if (isKept) await saveSubmission(what, { requestId, ca, url })
    await reportStatus(request, options.output, talk)
    if (isKept && request.isIssued) talk.say(`Accept the certificate with: certkeep request accept ${what}`)
  })
}

async function unsubmittedRequest(directory: string): Promise<Uint8Array> {
  const submission = await findSubmission(directory)
  if (submission === undefined) return readPendingRequest(directory)
  const { requestId } = submission
  throw new AppError(
    'conflict',
    `The request in ${directory} was submitted as number ${requestId}. Ask after it with: certkeep request status ${directory}`,
    { requestId }
  )
}

/** What `request status`, `wait` and `cancel` take. */
export interface FollowCommand extends ConnectionOptions {
  readonly timeout: number
  readonly output: OutputFormat
}

/** `request status` */
export function showStatus(target: string, options: FollowCommand, talk: Talk): Promise<void> {
  return withRequest(target, options, ({ request }) => reportStatus(request, options.output, talk))
}

/** `request wait` */
export function waitForRequest(target: string, options: FollowCommand, talk: Talk): Promise<void> {
  return withRequest(target, options, async ({ request }) => {
    await waitForOutcome(request, Date.now() + 1000 * options.timeout, talk)
    await reportStatus(request, options.output, talk)
  })
}

/** `request cancel` */
export function cancelRequest(target: string, options: FollowCommand, talk: Talk): Promise<void> {
  return withRequest(target, options, async ({ request }) => {
    await request.withdraw(request.requestId)
    talk.say(`Request ${request.requestId} is withdrawn.`)
  })
}

/** What `request fetch` takes. */
export interface FetchCommand extends ConnectionOptions {
  readonly fullResponse?: boolean
  readonly chain?: boolean
  readonly out?: string
  readonly output: OutputFormat
}

/** `request fetch` */
export function fetchRequest(target: string, options: FetchCommand, talk: Talk): Promise<void> {
  return withRequest(target, options, async ({ request }) => {
    if (options.fullResponse === true) {
      return printEncoded([{ der: await request.getFullResponse(), pemLabel: 'PKCS7' }], options.output, options.out)
    }
    process.exitCode = exitCodeOfDisposition(request.status.disposition)
    if (!request.isIssued) return explain(request, talk)
    const certificate = await request.getCertificate()
    const chain = options.chain === true ? (await request.getAuthority()).certificates : []
    if (options.output === 'p7b') {
      const bundle = buildCertificateBundle({ certificates: [certificate, ...chain] })
      return printEncoded([{ der: bundle, pemLabel: 'PKCS7' }], options.output, options.out)
    }
    const items = [certificate, ...chain].map(der => ({ der, pemLabel: 'CERTIFICATE' }))
    return printEncoded(items, options.output, options.out)
  })
}
