import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CR_IN, findSubmission, type CertRequest, type RequestStatus } from '@app/client'
import { messageFormOf, type MessageForm } from '@app/cmc'
import { AppError, DISPOSITIONS, toHex } from '@app/core'
import { exitCodeOfDisposition } from '../exit-code.js'
import type { ConnectionOptions } from '../client-options.js'
import { printFacts, type OutputFormat, type Talk } from '../output.js'
import { findConnection, withCa, type OpenConnection } from './connection.js'

const formats = {
  pkcs10: CR_IN.CR_IN_PKCS10,
  cmc: CR_IN.CR_IN_CMC,
  pkcs7: CR_IN.CR_IN_PKCS7,
  keygen: CR_IN.CR_IN_KEYGEN
} as const satisfies Partial<Record<MessageForm, number>>

/** How long the server is asked to hold one call, in seconds. */
const LONGEST_CALL = 30

/**
 * Submits a request in DER and waits for its outcome, at most so many seconds. The same request submitted again is
 * answered as the first time. Throws `message_type_invalid` for what is no request.
 */
export async function submitAndWait(
  request: CertRequest,
  bytes: Uint8Array,
  options: { readonly wait: number; readonly attributes?: string },
  talk: Talk
): Promise<RequestStatus> {
  const form = messageFormOf(bytes)
  if (form === 'full-response')
    throw new AppError('message_type_invalid', 'The file holds a full response, no request.')
  const deadline = Date.now() + 1000 * options.wait
  await request.submit(bytes, {
    flags: formats[form] | CR_IN.CR_IN_FULLRESPONSE,
    wait: Math.min(options.wait, LONGEST_CALL),
    idempotencyKey: toHex(hash('sha256', bytes, 'buffer')),
    ...(options.attributes === undefined ? {} : { attributes: options.attributes })
  })
  return waitForOutcome(request, deadline, talk)
}

/** Asks after the last request until it is decided or the deadline (milliseconds since 1970) has passed. */
export async function waitForOutcome(request: CertRequest, deadline: number, talk: Talk): Promise<RequestStatus> {
  while (isWaiting(request.status) && Date.now() < deadline) {
    const seconds = Math.ceil((deadline - Date.now()) / 1000)
    talk.progress(`Request ${request.requestId}: ${request.dispositionMessage} (${seconds} s left)`)
    // The server waits as long as it may; a server that ends or may not wait is given a rest.
    await sleep(Math.min(1000, deadline - Date.now()))
    await request.retrievePending(request.requestId, { wait: Math.min(seconds, LONGEST_CALL) })
  }
  return request.status
}

/** Whether a request may still get its certificate. */
export function isWaiting({ disposition }: RequestStatus): boolean {
  return disposition === DISPOSITIONS.under_submission || disposition === DISPOSITIONS.incomplete
}

/** Prints a request's status and sets the exit code that its disposition has. */
export async function reportStatus(request: CertRequest, format: OutputFormat, talk: Talk): Promise<void> {
  const { status } = request
  process.exitCode = exitCodeOfDisposition(status.disposition)
  await printFacts({ ...status }, format)
  await explain(request, talk)
}

/** Says why a request has no certificate, when it has none. */
export async function explain(request: CertRequest, talk: Talk): Promise<void> {
  const { requestId, lastStatus, dispositionName, dispositionMessage } = request.status
  if (request.isIssued) return
  talk.say(`Request ${requestId} is ${dispositionName.replaceAll('_', ' ')}: ${dispositionMessage}`)
  if (!/^0x0+$/.test(lastStatus)) talk.say(await request.getErrorMessageText(lastStatus, 1))
}

/** Works with the request that a number, or a directory in which it was kept, names; its status has been asked for. */
export async function withRequest<T>(
  target: string,
  options: ConnectionOptions,
  work: (connection: OpenConnection) => Promise<T>
): Promise<T> {
  const { requestId, ...place } = await placeOf(target)
  const connection = await findConnection({ ...place, ...options })
  return withCa(connection, async open => {
    await open.request.retrievePending(requestId)
    return work(open)
  })
}

async function placeOf(
  target: string
): Promise<{ readonly requestId: number; readonly ca?: string; readonly url?: string }> {
  if (/^\d{1,10}$/.test(target)) return { requestId: Number(target) }
  const submission = await findSubmission(target)
  if (submission !== undefined) return submission
  throw new AppError('not_found', `"${target}" is no request number and no directory of a request that was submitted.`)
}
