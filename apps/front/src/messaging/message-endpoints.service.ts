import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { minimumLevelOf, parseEndpointFlags, queueRulesFor, requireEndpoint, NCADG_MQ } from '@app/messaging'
import { CLOCK } from '@app/platform'
import { Database, MessageQueueStore, MessageStore, type MessageQueueRow } from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageQueues } from './message-queues.service.js'
import { flagsOf, type EndpointBody, type EndpointView } from './endpoint.schemas.js'
import { TemporaryQueues } from './temporary-queues.js'

/** Endpoints of queued calls: queues that a call server opens. */
@Injectable()
export class MessageEndpoints {
  constructor(
    private readonly queues: MessageQueues,
    private readonly store: MessageQueueStore,
    private readonly temporary: TemporaryQueues,
    private readonly messages: MessageStore,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Opens an endpoint of the caller's (RpcServerUseProtseqEpEx): makes its queue, or takes the one that is there, emptied
   * where the flags say so, at the level that they say unless it is to keep its own. Throws `RPC_S_DUPLICATE_ENDPOINT`
   * for a queue of the other duration, `MQ_ERROR_ACCESS_DENIED` for one of somebody else, and as `MessageQueues.create`.
   */
  async open(name: string, body: EndpointBody, requester: AuthenticatedRequester): Promise<EndpointView> {
    requireEndpoint(NCADG_MQ, name)
    const policy = parseEndpointFlags(flagsOf(body.endpointFlags))
    await this.temporary.removeEnded()
    const found = await this.queues.findOwned(name, requester)
    const { encryptionKey, access, aliveSeconds } = body
    const given = {
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
      ...(access === undefined ? {} : { access })
    }
    if (found === undefined) {
      const alive = policy.permanent ? undefined : aliveSeconds
      const queue = await this.queues.make({ name, ...given, ...queueRulesFor(policy.minimum) }, requester, alive)
      return viewOf(queue, true)
    }
    if ((found.aliveSeconds === null) !== policy.permanent) {
      throw new AppError('RPC_S_DUPLICATE_ENDPOINT', `The endpoint "${name}" is there, and of the other duration.`, {
        name
      })
    }
    const rules = policy.useExistingSecurity ? {} : queueRulesFor(policy.minimum)
    const settings = this.queues.merge(found, { ...given, ...rules })
    const because = { actor: requester.name }
    if (policy.clearOnOpen) await this.clear(found, requester)
    await this.store.change(found.id, settings, because, this.clock.now())
    await this.temporary.keep(found, 0)
    return viewOf({ ...found, ...settings }, false)
  }

  private async clear(queue: MessageQueueRow, requester: AuthenticatedRequester): Promise<void> {
    await this.temporary.giveUpAll(queue, 'NACK_Q_PURGED')
    const purge = { queueId: queue.id, place: 'queue' } as const
    await this.database.transaction(unit =>
      this.messages.purge(unit, purge, { actor: requester.name }, this.clock.now())
    )
  }
}

function viewOf(queue: MessageQueueRow, made: boolean): EndpointView {
  const { name, authenticate, privacy, aliveSeconds } = queue
  const encryptionKey = queue.encryptionKey?.toString('base64') ?? null
  const minimum = minimumLevelOf(queue)
  return {
    name,
    made,
    minimum,
    authenticate,
    privacy,
    encryptionKey,
    ...(aliveSeconds === null ? {} : { aliveSeconds })
  }
}
