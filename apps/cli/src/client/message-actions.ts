import { createPublicKey } from 'node:crypto'
import {
  CallBinding,
  decodePrivateKey,
  MessageQueues,
  OutgoingQueue,
  PersonalStore,
  RPC_C_AUTHN_LEVEL,
  receiveQueuedAnswer,
  SecurityContexts,
  SUBMIT_ENDPOINT,
  submitQueued,
  type MessageLevel,
  type MessageSigner,
  type QueueInformation,
  type QueueOptions,
  type QueueRightName,
  type StoredMessage
} from '@app/client'
import { AppError, isAppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import type { ConnectionOptions } from '../client-options.js'
import { EXIT, exitCodeOfDisposition } from '../exit-code.js'
import { findConnection, readBytes, readSecret, type Connection } from './connection.js'

/** What `message create` and `message change` take. */
export interface QueueSettingOptions extends ConnectionOptions {
  readonly authenticate?: boolean
  readonly privacy?: 'none' | 'optional' | 'body'
  readonly journaling?: boolean
  readonly key?: string
  readonly access: readonly string[]
}

/** Where messages wait on this machine. */
export interface OutgoingOptions extends ConnectionOptions {
  readonly outgoing: string
}

interface Sender extends ConnectionOptions {
  readonly store?: string
  readonly outgoing?: string
}

/** What `message send` takes. */
export interface MessageSending extends Sender {
  readonly level: MessageLevel
  readonly label?: string
  readonly priority: number
  readonly recoverable?: boolean
  readonly deadLetter?: boolean
}

/** What `message submit` takes. */
export interface QueuedSubmitting extends Sender {
  readonly attribute: readonly string[]
  readonly responseQueue?: string
  readonly wait: number
}

/** What `message receive` takes. */
export interface Receiving extends ConnectionOptions {
  readonly most: number
  readonly wait: number
  readonly key?: string
}

/** `message queues` */
export function listQueues(options: ConnectionOptions): Promise<readonly QueueInformation[]> {
  return withQueues(options, queues => queues.list())
}

/** `message show` */
export function showQueue(name: string, options: ConnectionOptions): Promise<QueueInformation> {
  return withQueues(options, queues => queues.get(name))
}

/** `message create` */
export function createQueue(name: string, options: QueueSettingOptions): Promise<QueueInformation> {
  return withQueues(options, async queues => queues.create(name, await settingsIn(options)))
}

/** `message change` */
export function changeQueue(name: string, options: QueueSettingOptions): Promise<QueueInformation> {
  return withQueues(options, async queues => queues.change(name, await settingsIn(options)))
}

/** `message remove` */
export function removeQueue(name: string, options: ConnectionOptions): Promise<void> {
  return withQueues(options, queues => queues.remove(name))
}

/** `message purge` */
export function purgeQueue(
  name: string,
  place: 'messages' | 'journal' | 'dead-letter',
  options: ConnectionOptions
): Promise<void> {
  return withQueues(options, queues => queues.purge(name, place))
}

/** `message send`: at once, or by the queue of this machine. Sets the exit code while it waits there. */
export async function sendMessage(queue: string, file: string, options: MessageSending): Promise<object> {
  const connection = await findConnection(options)
  await using queues = new MessageQueues(connection.settings)
  const { level, label, priority } = options
  const outgoing = options.outgoing === undefined ? undefined : await OutgoingQueue.open(options.outgoing)
  const signing = level === 'none' ? {} : { signer: await signerOf(connection, options, outgoing) }
  const envelope = await queues.seal(queue, await readBytes(file), {
    ...signing,
    level,
    priority,
    delivery: options.recoverable === true ? 1 : 0,
    journal: options.deadLetter === true ? 1 : 0,
    ...(label === undefined ? {} : { label })
  })
  if (outgoing === undefined) return { queue, messageId: await queues.sendEnvelope(queue, envelope), state: 'sent' }
  const { messageId } = await outgoing.put(queue, envelope)
  const { sent } = await outgoing.send(queues)
  return { queue, messageId, state: stateOf(sent.includes(messageId)) }
}

/** `message submit`: a request as a queued call, and its answer where one is waited for. Sets the exit code. */
export async function submitByCall(file: string, options: QueuedSubmitting): Promise<object> {
  const connection = await findConnection(options)
  const { ca } = connection
  if (ca === undefined)
    throw new AppError('invalid_argument', 'Name the CA with --ca, or run "certkeep bootstrap" once.')
  await using queues = new MessageQueues(connection.settings)
  const outgoing = options.outgoing === undefined ? undefined : await OutgoingQueue.open(options.outgoing)
  const binding = new CallBinding({
    endpoint: SUBMIT_ENDPOINT,
    queues,
    ...(outgoing === undefined ? {} : { outgoing })
  })
  const identity = await signerOf(connection, options, outgoing)
  binding.setAuthInfo({ authnLevel: RPC_C_AUTHN_LEVEL.PKT_PRIVACY, identity })
  const { responseQueue, attribute, wait } = options
  const receipt = await submitQueued(binding, decodeDerPemOrBase64(await readBytes(file)), {
    ca,
    attributes: attribute.join('\n'),
    ...(responseQueue === undefined ? {} : { responseQueue })
  })
  process.exitCode = EXIT.pending
  if (responseQueue === undefined || wait === 0 || receipt.state === 'waiting') return receipt
  const answer = await receiveQueuedAnswer(queues, responseQueue, { callId: receipt.callId, wait })
  if (answer === undefined) return receipt
  process.exitCode = exitCodeOfDisposition(answer.request.disposition)
  return { callId: receipt.callId, ...answer.request }
}

/** `message receive`: each is received for good. */
export function receiveMessages(queue: string, options: Receiving): Promise<readonly object[]> {
  return withQueues(options, async queues => {
    const keys = options.key === undefined ? [] : [decodePrivateKey(Buffer.from(await readSecret(options.key)))]
    const messages = await queues.receive(queue, { most: options.most, wait: options.wait, keys })
    const shown: object[] = []
    for (const message of messages) {
      const { fields, level, sender, senderName, body, class: name } = message
      const text = Buffer.from(body)
      shown.push({
        messageId: fields.messageId,
        class: name,
        level,
        sender: sender?.sid,
        senderName,
        label: fields.label,
        correlationId: fields.correlationId,
        ...(isText(text) ? { body: text.toString('utf8') } : { bodyBase64: text.toString('base64') })
      })
      await message.complete()
    }
    return shown
  })
}

/** `message peek`, `message journal` and `message dead-letter` */
export function listMessages(
  verb: 'peek' | 'journal' | 'dead-letter',
  queue: string | undefined,
  options: ConnectionOptions & { readonly limit: number }
): Promise<readonly object[]> {
  const { limit } = options
  return withQueues(options, async queues => {
    if (queue === undefined) return (await queues.listDeadLetters({ limit })).items.map(shownOf)
    if (verb === 'peek') return (await queues.peek(queue, Math.min(32, limit))).map(shownOf)
    return (await queues.listKept(queue, verb, { limit })).items.map(shownOf)
  })
}

/** `message flush`. Sets the exit code while something waits. */
export function flushOutgoing(options: OutgoingOptions): Promise<object> {
  return withQueues(options, async queues => {
    const { sent, failed, waiting, because } = await (await OutgoingQueue.open(options.outgoing)).send(queues)
    stateOf(waiting === 0)
    return {
      sent: sent.length,
      failed: failed.length,
      waiting,
      ...(because === undefined ? {} : { because: because.code })
    }
  })
}

/** `message outgoing` */
export async function listOutgoing({ outgoing }: Pick<OutgoingOptions, 'outgoing'>): Promise<readonly object[]> {
  const queue = await OutgoingQueue.open(outgoing)
  return [
    ...(await queue.list()).map(({ messageId, queue: to }) => ({ messageId, queue: to, state: 'waiting' })),
    ...(await queue.listDeadLetters()).map(({ messageId, queue: to, class: state }) => ({
      messageId,
      queue: to,
      state
    }))
  ]
}

async function withQueues<T>(options: ConnectionOptions, work: (queues: MessageQueues) => Promise<T>): Promise<T> {
  const { settings } = await findConnection(options)
  await using queues = new MessageQueues(settings)
  return await work(queues)
}

async function settingsIn({
  key,
  access,
  authenticate,
  privacy,
  journaling
}: QueueSettingOptions): Promise<QueueOptions> {
  return {
    ...(authenticate === undefined ? {} : { authenticate }),
    ...(privacy === undefined ? {} : { privacy }),
    ...(journaling === undefined ? {} : { journaling }),
    ...(key === undefined ? {} : { encryptionKey: createPublicKey(Buffer.from(await readBytes(key))) }),
    ...(access.length === 0 ? {} : { access: access.map(accessIn) })
  }
}

function accessIn(text: string): { readonly sid: string; readonly rights: readonly QueueRightName[] } {
  const [sid = '', rights = ''] = text.split('=')
  return { sid, rights: rights.split(',') as QueueRightName[] }
}

/** The internal certificate of a store, with the SID that the server knows it by, or told last. */
async function signerOf(
  { settings }: Connection,
  { store: folder }: Sender,
  outgoing: OutgoingQueue | undefined
): Promise<MessageSigner> {
  if (folder === undefined) throw new AppError('invalid_argument', 'A message that is signed needs --store.')
  const store = await PersonalStore.open(folder)
  await using contexts = new SecurityContexts({ ...settings, store })
  try {
    const signer = contexts.signerOf(await contexts.getSecurityContextEx())
    await outgoing?.remember('sender', { sid: signer.sid })
    return signer
  } catch (error) {
    const known = await outgoing?.recall<{ readonly sid: string }>('sender')
    const identity = await store.findInternal()
    if (!isAppError(error, 'server_unreachable') || known === undefined || identity === undefined) throw error
    return { ...identity, sid: known.sid }
  }
}

function stateOf(isSent: boolean): 'sent' | 'waiting' {
  if (!isSent) process.exitCode = EXIT.pending
  return isSent ? 'sent' : 'waiting'
}

function shownOf({ id, messageId, class: name, level, senderSid, senderName, arrivedAt }: StoredMessage): object {
  return { id, messageId, class: name, level, senderSid, senderName, arrivedAt }
}

function isText(bytes: Buffer): boolean {
  return bytes.equals(Buffer.from(bytes.toString('utf8'))) && !bytes.includes(0)
}
