import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { domainOfSid } from '@app/directory'
import { decodeEncryptionKey, SERVER_QUEUE_PREFIX, SUBMIT_ENDPOINT } from '@app/messaging'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { MessageQueueStore, type MessageQueueRow, type QueueSettings } from '@app/storage'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import {
  bytesOf,
  maskOf,
  RIGHTS,
  rightsIn,
  type QueueBody,
  type QueueChangeBody,
  type QueueView
} from './messaging.schemas.js'
import { SubmitQueue } from './submit/submit-queue.js'
import { TemporaryQueues } from './temporary-queues.js'

/** A queue and what the caller may do with it. */
export interface QueueAccess {
  readonly queue: MessageQueueRow
  /** QUEUE_RIGHT bits. */
  readonly mask: number
}

/** Queues: who makes one owns it, and says who else may use it. */
@Injectable()
export class MessageQueues {
  constructor(
    private readonly queues: MessageQueueStore,
    private readonly submitQueue: SubmitQueue,
    private readonly temporary: TemporaryQueues,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Makes a queue of the caller's. Throws as {@link make}. */
  async create(body: QueueBody, requester: AuthenticatedRequester): Promise<QueueView> {
    await this.temporary.removeEnded()
    return viewOf({ queue: await this.make(body, requester), mask: ALL }, true)
  }

  /**
   * Makes a queue of the caller's, a temporary one when it is said for how many seconds its receiver may be silent. Throws
   * `MQ_ERROR_COULD_NOT_GET_USER_SID` for an account of no domain, `MQ_ERROR_ACCESS_DENIED` for a name of the server's,
   * `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` for a key that nothing can be encrypted to, and as {@link MessageQueueStore.create}.
   */
  async make(
    { name, ...given }: QueueBody,
    requester: AuthenticatedRequester,
    aliveSeconds?: number
  ): Promise<MessageQueueRow> {
    requireScope(requester, 'enroll')
    const { id: ownerId, sid } = requester.principal
    if (domainOfSid(sid) === undefined) {
      throw new AppError('MQ_ERROR_COULD_NOT_GET_USER_SID', `${requester.name} has no SID of a domain.`)
    }
    if (name.toLowerCase().startsWith(SERVER_QUEUE_PREFIX)) {
      throw new AppError(
        'MQ_ERROR_ACCESS_DENIED',
        `Queues whose names begin with "${SERVER_QUEUE_PREFIX}" are the server's.`
      )
    }
    const { queueBytes, queuesPerAccount } = this.config.messaging
    const settings = this.merge({ ...DEFAULTS, quota: queueBytes, journalQuota: queueBytes }, given)
    const createdAt = this.clock.now()
    const peculiar = {
      aliveSeconds: aliveSeconds ?? null,
      temporaryUntil: aliveSeconds === undefined ? null : new Date(createdAt.getTime() + 1000 * aliveSeconds),
      keyReference: null
    }
    const queue = { id: randomUUID(), name, ownerId, createdAt, ...peculiar, ...settings }
    await this.queues.create(queue, queuesPerAccount, { actor: requester.name })
    return { ...queue, waitingBytes: 0, keptBytes: 0 }
  }

  /** The caller's own. */
  async list({ principal }: AuthenticatedRequester): Promise<{ readonly items: QueueView[] }> {
    return { items: (await this.queues.list(principal.id)).map(queue => viewOf({ queue, mask: ALL }, true)) }
  }

  /** Throws `MQ_ERROR_QUEUE_NOT_FOUND` for a queue that the caller may do nothing with as for none. */
  async get(name: string, requester: AuthenticatedRequester): Promise<QueueView> {
    const access = await this.access(name, requester)
    return viewOf(access, access.queue.ownerId === requester.principal.id)
  }

  /** Changes a queue for messages that come from now on. Throws as {@link owned}. */
  async change(name: string, body: QueueChangeBody, requester: AuthenticatedRequester): Promise<QueueView> {
    const queue = await this.owned(name, requester)
    const settings = this.merge(queue, body)
    if (!(await this.queues.change(queue.id, settings, { actor: requester.name }, this.clock.now())))
      throw unknown(name)
    return viewOf({ queue: { ...queue, ...settings }, mask: ALL }, true)
  }

  /** A queue of the caller's. Throws `MQ_ERROR_QUEUE_NOT_FOUND`, `MQ_ERROR_ACCESS_DENIED`. */
  async owned(name: string, requester: AuthenticatedRequester): Promise<MessageQueueRow> {
    requireScope(requester, 'enroll')
    const { queue } = await this.access(name, requester)
    if (queue.ownerId === requester.principal.id) return queue
    throw new AppError('MQ_ERROR_ACCESS_DENIED', `The queue "${name}" belongs to somebody else.`)
  }

  /** A queue that the caller has a right on. Throws `MQ_ERROR_QUEUE_NOT_FOUND`, `MQ_ERROR_ACCESS_DENIED`. */
  async require(name: string, right: keyof typeof RIGHTS, requester: AuthenticatedRequester): Promise<MessageQueueRow> {
    requireScope(requester, 'enroll')
    const { queue, mask } = await this.access(name, requester)
    if ((mask & RIGHTS[right]) === RIGHTS[right]) return queue
    throw new AppError('MQ_ERROR_ACCESS_DENIED', `${requester.name} lacks the right "${right}" on the queue "${name}".`)
  }

  /** A queue of the caller's; undefined when there is none of the name. Throws `MQ_ERROR_ACCESS_DENIED`. */
  async findOwned(name: string, requester: AuthenticatedRequester): Promise<MessageQueueRow | undefined> {
    requireScope(requester, 'enroll')
    const queue = await this.queues.find(name)
    if (queue === undefined || queue.ownerId === requester.principal.id) return queue
    throw new AppError('MQ_ERROR_ACCESS_DENIED', `The queue "${name}" belongs to somebody else.`)
  }

  /** A queue that messages come to. Throws `MQ_ERROR_QUEUE_NOT_FOUND`. */
  async destination(name: string): Promise<MessageQueueRow> {
    const isSubmit = name.toLowerCase() === SUBMIT_ENDPOINT
    const queue = isSubmit ? await this.submitQueue.provide() : await this.queues.find(name)
    if (queue === undefined || !this.temporary.isThere(queue)) throw unknown(name)
    return queue
  }

  /** A message has come into a queue. */
  arrived({ keyReference }: MessageQueueRow): void {
    if (keyReference !== null) this.submitQueue.arrived()
  }

  private async access(name: string, { principal }: AuthenticatedRequester): Promise<QueueAccess> {
    const queue = await this.destination(name)
    const mask = await this.queues.findRights(queue.id, principal.sid)
    if (mask === 0) throw unknown(name)
    return { queue, mask }
  }

  /** What a queue becomes by a change. Throws `MQ_ERROR_INVALID_PARAMETER`, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND`. */
  merge(before: QueueSettings, { access, encryptionKey, ...given }: QueueChangeBody): QueueSettings {
    const most = this.config.messaging.queueBytes
    for (const quota of [given.quota, given.journalQuota]) {
      if ((quota ?? 0) <= most) continue
      throw new AppError('MQ_ERROR_INVALID_PARAMETER', `A queue may have ${most} bytes, and not ${quota ?? 0}.`, {
        most
      })
    }
    const key = typeof encryptionKey === 'string' ? bytesOf(encryptionKey) : encryptionKey
    if (Buffer.isBuffer(key)) decodeEncryptionKey(key)
    return {
      authenticate: given.authenticate ?? before.authenticate,
      privacy: given.privacy ?? before.privacy,
      journaling: given.journaling ?? before.journaling,
      quota: given.quota ?? before.quota,
      journalQuota: given.journalQuota ?? before.journalQuota,
      encryptionKey: key === undefined ? before.encryptionKey : key,
      access: access?.map(entry => ({ sid: entry.sid, mask: maskOf(entry.rights) })) ?? before.access
    }
  }
}

const DEFAULTS = {
  authenticate: false,
  privacy: 'optional',
  journaling: false,
  encryptionKey: null,
  access: []
} as const

const ALL = maskOf(['write', 'receive', 'journal'])

function viewOf({ queue, mask }: QueueAccess, isOwner: boolean): QueueView {
  const { name, authenticate, privacy, encryptionKey, journaling, quota, journalQuota, waitingBytes, keptBytes } = queue
  const access = queue.access.map(entry => ({ sid: entry.sid, rights: rightsIn(entry.mask) }))
  const createdAt = queue.createdAt.toISOString()
  const owned = { journaling, quota, journalQuota, waitingBytes, keptBytes, access, createdAt }
  const key = encryptionKey?.toString('base64') ?? null
  return { name, authenticate, privacy, encryptionKey: key, rights: rightsIn(mask), ...(isOwner ? { owned } : {}) }
}

function unknown(name: string): AppError {
  return new AppError('MQ_ERROR_QUEUE_NOT_FOUND', `There is no queue "${name}".`, { name })
}
