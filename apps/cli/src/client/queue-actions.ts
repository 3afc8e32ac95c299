import { readFile } from 'node:fs/promises'
import { AppError, toBase64, type ErrorCode } from '@app/core'
import {
  everyItem,
  parseSubjectAltName,
  type BulkResult,
  type Console,
  type ExtensionSetting,
  type QueuedRequest,
  type QueueQuery
} from '@app/client'
import { OID } from '@app/oid'
import { encodeSubjectAltName } from '@app/x509'
import type { ConnectionOptions } from '../client-options.js'
import { EXIT, exitCodeOf } from '../exit-code.js'
import { printFacts, printJson, printRows, type OutputFormat, type Talk } from '../output.js'
import type { DecisionOptions, ExtensionOptions, ListOptions } from '../queue-options.js'
import { withConsole } from './connection.js'

function withQueue<T>(options: ConnectionOptions, work: (queue: Console['queue']) => Promise<T>): Promise<T> {
  return withConsole(options, ({ queue }) => work(queue))
}

/** Prints a list of requests. */
export function listQueue(options: ListOptions): Promise<void> {
  const { state, template, requester, subject, keyId, submittedFrom, submittedUntil, olderThan, order, ca } = options
  const given = { state, template, requester, subject, keyId, submittedFrom, submittedUntil, olderThan, order, ca }
  const query = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as QueueQuery
  return withQueue(options, async queue => {
    const most = options.all === true ? Infinity : options.limit
    const found: QueuedRequest[] = []
    const limit = Math.min(most, 200)
    for await (const item of everyItem(cursor => queue.list({ ...query, limit, ...(cursor && { cursor }) }))) {
      found.push(item)
      if (found.length === most) break
    }
    await (options.output === 'json' ? printJson(found) : printRows(found.map(rowOf)))
  })
}

function rowOf(item: QueuedRequest) {
  const { requestId: id, state, template = '', requester, subject = '', submittedAt, approvals } = item
  return { id, state, approvals: `${approvals.given}/${approvals.needed}`, template, requester, submittedAt, subject }
}

/** Prints one request. */
export function showRequest(id: number, options: ConnectionOptions & { readonly output: OutputFormat }): Promise<void> {
  return withQueue(options, async queue => printFacts({ ...(await queue.get(id)) }, options.output))
}

/** Prints what requests would come to; the exit code tells whether all of them would be issued. */
export function previewRequests(ids: readonly number[], options: DecisionOptions, talk: Talk): Promise<void> {
  return withQueue(options, async queue => {
    for (const id of ids) {
      const preview = await queue.preview(id)
      await printFacts({ requestId: id, ...preview }, options.output)
      if (preview.verdict === 'issue') talk.say(`Request ${id} would be issued so. Nothing has been decided.`)
      else {
        talk.say(`Request ${id} would not be issued: ${preview.refusal?.message ?? 'a rule is broken'}`)
        process.exitCode = EXIT.failure
      }
    }
  })
}

/** Decides requests, each by itself, and prints what came of each. The exit code is that of the first that was refused. */
export function decideRequests(
  decision: 'approve' | 'deny' | 'resubmit',
  ids: readonly number[],
  options: DecisionOptions,
  talk: Talk
): Promise<void> {
  const { reason, ifMatch: etag, output } = options
  if (etag !== undefined && ids.length > 1) throw new AppError('invalid_argument', '--if-match is of one request.')
  const given = { ...(reason === undefined ? {} : { reason }), ...(etag === undefined ? {} : { etag }) }
  return withQueue(options, async queue => {
    const results: BulkResult[] = []
    for (let first = 0; first < ids.length; first += 200) {
      const some = ids.slice(first, first + 200).map(requestId => ({ requestId, decision, ...given }))
      results.push(...(await queue.decide(some)))
    }
    if (output === 'json') await printJson(results)
    else await printRows(results.flatMap(({ item }) => (item === undefined ? [] : [rowOf(item)])))
    for (const { requestId, problem } of results) {
      if (problem !== undefined) talk.say(`Request ${requestId} is as it was: ${problem.detail} (${problem.code})`)
    }
    process.exitCode = exitCodeOfResults(decision, results)
  })
}

function exitCodeOfResults(decision: string, results: readonly BulkResult[]): number {
  const refused = results.find(({ problem }) => problem !== undefined)?.problem
  if (refused !== undefined) return exitCodeOf(new AppError(refused.code as ErrorCode, refused.detail))
  const isWaiting = decision === 'approve' && results.some(({ item }) => item?.state === 'pending')
  return isWaiting ? EXIT.pending : EXIT.ok
}

/** Puts attributes into a pending request and prints it. */
export function setAttributes(id: number, texts: readonly string[], options: DecisionOptions): Promise<void> {
  const attributes = texts.map(text => {
    const colon = text.indexOf(':')
    if (colon < 1)
      throw new AppError('invalid_argument', `"${text}" is no attribute; write its name, a colon and its value.`)
    return { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() }
  })
  return withQueue(options, async queue =>
    printFacts({ ...(await queue.setAttributes(id, attributes, decisionOf(options))) }, options.output)
  )
}

/** Puts an extension into a pending request and prints it. */
export async function setExtension(id: number, oid: string | undefined, options: ExtensionOptions): Promise<void> {
  const extension = await extensionOf(oid, options)
  return withQueue(options, async queue =>
    printFacts({ ...(await queue.setExtensions(id, [extension], decisionOf(options))) }, options.output)
  )
}

function decisionOf({ reason, ifMatch: etag }: DecisionOptions) {
  return { ...(reason === undefined ? {} : { reason }), ...(etag === undefined ? {} : { etag }) }
}

async function extensionOf(oid: string | undefined, options: ExtensionOptions): Promise<ExtensionSetting> {
  const { value, valueFile, san, critical = false, disable = false } = options
  const sources = [value !== undefined, valueFile !== undefined, san.length > 0, disable].filter(Boolean)
  const named = oid ?? (san.length > 0 ? OID.id_ce_subjectAltName : undefined)
  if (named === undefined || sources.length !== 1) {
    throw new AppError('invalid_argument', 'Name the extension, and one of --value, --value-file, --san or --disable.')
  }
  if (disable) return { oid: named, disabled: true }
  if (san.length > 0)
    return { oid: named, critical, value: toBase64(encodeSubjectAltName(san.map(parseSubjectAltName))) }
  return { oid: named, critical, value: value ?? toBase64(await readFile(valueFile ?? '')) }
}
