import { createPublicKey, type KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, isAppError, toBase64 } from '@app/core'
import {
  decodeCall,
  endpointFlagsOf,
  isForInterface,
  parseCallArguments,
  parseEndpointFlags,
  requireEndpoint,
  type Call,
  type CallInterface,
  type CallOperations,
  type EndpointFlag
} from '@app/messaging'
import { MessageQueues } from '../message-queues.js'
import type { MessageQueueSettings, QueueOptions, ReceivedMessage } from '../message-queue-types.js'
import { CallBinding } from './call-binding.js'
import { IncomingCall, type AuthClient } from './incoming-call.js'

/** What {@link CallServer} needs to know. */
export interface CallServerSettings extends MessageQueueSettings {
  /** Calls that are handled at once at each endpoint; 4 if absent. */
  readonly concurrency?: number
  /** Seconds until a call whose server has died is delivered again; 60 if absent. It is prolonged while a handler runs. */
  readonly leaseSeconds?: number
  /** How often a call is tried whose handler throws; 10 times if absent. */
  readonly mostDeliveries?: number
  /** Seconds that one look at an endpoint waits for calls, and the end of the server for the last; 5 if absent. */
  readonly waitSeconds?: number
  /** Hears what went wrong; `call` when it was one. */
  readonly onError?: (error: unknown, call?: IncomingCall) => void
}

/** How an endpoint is opened (RPC_POLICY). */
export interface EndpointOptions extends Pick<QueueOptions, 'access'> {
  readonly endpointFlags: number | readonly EndpointFlag[]
  /** Opens private calls. Its public half is the endpoint's key. */
  readonly privateKey?: KeyObject
  /** Of a temporary endpoint: seconds that its server may be silent; 60 if absent. */
  readonly aliveSeconds?: number
}

/** What is done on each operation of an interface. */
export type CallHandlers<Operations extends CallOperations> = {
  readonly [Name in keyof Operations]: (
    args: Operations[Name]['in']['_zod']['output'],
    call: IncomingCall
  ) => Promise<void> | void
}

interface Registered {
  readonly interface: CallInterface
  readonly handlers: Readonly<Record<string, (args: unknown, call: IncomingCall) => Promise<void> | void>>
}

const LONGEST_PAUSE = 30_000

/**
 * Handles the calls that come to its endpoints, and those that waited there while it was not running. A call leaves its
 * queue when its handler has returned: a server that is killed meanwhile leaves it to the next.
 */
export class CallServer implements AsyncDisposable {
  private readonly queues: MessageQueues
  private readonly interfaces: Registered[] = []
  private readonly endpoints = new Map<string, EndpointOptions>()
  private readonly stopped = new AbortController()
  private work: Promise<unknown> | undefined

  constructor(private readonly settings: CallServerSettings) {
    this.queues = new MessageQueues(settings)
  }

  /** Registers an interface, before endpoints are listened at. Throws `RPC_S_ALREADY_REGISTERED`. */
  registerInterface<Operations extends CallOperations>(
    added: CallInterface<Operations>,
    handlers: CallHandlers<Operations>
  ): void {
    const isThere = this.interfaces.some(
      ({ interface: { id, version } }) => id === added.id && version === added.version
    )
    if (isThere) throw new AppError('RPC_S_ALREADY_REGISTERED', `The interface ${added.id} is registered.`)
    this.interfaces.push({ interface: added, handlers })
  }

  /**
   * Opens an endpoint (RpcServerUseProtseqEpEx): makes its queue, or takes the one that is there as the flags say. Throws
   * `RPC_S_PROTSEQ_NOT_SUPPORTED`, `RPC_S_DUPLICATE_ENDPOINT`, `MQ_ERROR_ACCESS_DENIED` for a queue of somebody else,
   * `MQ_ERROR_INVALID_PARAMETER`.
   */
  async useProtseqEpEx(protseq: string, endpoint: string, options: EndpointOptions): Promise<void> {
    requireEndpoint(protseq, endpoint)
    parseEndpointFlags(wordOf(options))
    await this.open(endpoint, options)
    this.endpoints.set(endpoint, options)
  }

  /** Handles calls from now on (RpcServerListen). Throws `RPC_S_ALREADY_LISTENING`, `RPC_S_NO_PROTSEQS_REGISTERED`. */
  listen(): void {
    if (this.work !== undefined) throw new AppError('RPC_S_ALREADY_LISTENING', 'The server listens already.')
    if (this.endpoints.size === 0) throw new AppError('RPC_S_NO_PROTSEQS_REGISTERED', 'The server has no endpoint.')
    this.work = Promise.all(Array.from(this.endpoints, ([name, options]) => this.serve(name, options)))
  }

  /**
   * Who makes a call, by what its handler was given. Throws as {@link IncomingCall.inqAuthClient}, `RPC_S_INVALID_BINDING`
   * for what is no call, and `RPC_S_WRONG_KIND_OF_BINDING` for a caller's binding.
   */
  inqAuthClient(binding: unknown): AuthClient {
    if (binding instanceof IncomingCall) return binding.inqAuthClient()
    if (binding instanceof CallBinding) {
      throw new AppError('RPC_S_WRONG_KIND_OF_BINDING', "A caller's binding has no client.")
    }
    throw new AppError('RPC_S_INVALID_BINDING', 'There is no such call.')
  }

  /** Lets the calls in progress end, takes no others, and removes temporary endpoints with what waits there. */
  async stop(): Promise<void> {
    if (this.stopped.signal.aborted) return
    this.stopped.abort()
    await this.work
    for (const [name, options] of this.endpoints) {
      if (!parseEndpointFlags(wordOf(options)).permanent) await this.queues.remove(name).catch(() => undefined)
    }
    await this.queues[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  private open(
    endpoint: string,
    { endpointFlags, privateKey, access, aliveSeconds }: EndpointOptions
  ): Promise<unknown> {
    const key = privateKey === undefined ? {} : { encryptionKey: publicHalf(privateKey) }
    return this.queues.openEndpoint(endpoint, {
      endpointFlags: typeof endpointFlags === 'number' ? endpointFlags : endpointFlagsOf(endpointFlags),
      ...key,
      ...(access === undefined ? {} : { access }),
      ...(aliveSeconds === undefined ? {} : { aliveSeconds })
    })
  }

  /** Takes calls as they come, as many at once as are let, until the server is stopped. */
  private async serve(endpoint: string, options: EndpointOptions): Promise<void> {
    const { concurrency = 4, onError } = this.settings
    const inProgress = new Set<Promise<void>>()
    let pause = 500
    while (!this.stopped.signal.aborted) {
      try {
        const calls = await this.take(endpoint, options, concurrency - inProgress.size)
        for (const message of calls) {
          const work: Promise<void> = this.handle(endpoint, message).finally(() => inProgress.delete(work))
          inProgress.add(work)
        }
        pause = 500
      } catch (error) {
        onError?.(error)
        await sleep(pause, undefined, { signal: this.stopped.signal }).catch(() => undefined)
        pause = Math.min(LONGEST_PAUSE, pause * 2)
      }
      if (inProgress.size >= concurrency) await Promise.race(inProgress)
    }
    await Promise.all(inProgress)
  }

  private async take(endpoint: string, options: EndpointOptions, most: number): Promise<readonly ReceivedMessage[]> {
    const { leaseSeconds = 60, waitSeconds: wait = 5 } = this.settings
    const keys = options.privateKey === undefined ? [] : [options.privateKey]
    try {
      return await this.queues.receive(endpoint, { most: Math.min(32, most), wait, leaseSeconds, keys })
    } catch (error) {
      // A temporary one may have ended while the connection was broken.
      if (!isAppError(error, 'MQ_ERROR_QUEUE_NOT_FOUND')) throw error
      await this.open(endpoint, options)
      return []
    }
  }

  /** Never throws: what goes wrong with a call is told, and decides what becomes of it. */
  private async handle(endpoint: string, message: ReceivedMessage): Promise<void> {
    const call = new IncomingCall(message, endpoint)
    const { leaseSeconds = 60, mostDeliveries = 10, onError } = this.settings
    const prolonging = setInterval(
      () => {
        message.prolong(leaseSeconds).catch((error: unknown) => onError?.(error, call))
      },
      (1000 * leaseSeconds) / 3
    )
    try {
      await this.run(message, call)
      await message.complete()
    } catch (error) {
      onError?.(error, call)
      // What nobody can do now nobody can do later; the rest waits until its lease ends.
      const isHopeless = call.deliveries >= mostDeliveries || error instanceof CallFault
      if (isHopeless) await message.reject().catch((failure: unknown) => onError?.(failure, call))
    } finally {
      clearInterval(prolonging)
      call.end()
    }
  }

  private async run(message: ReceivedMessage, incoming: IncomingCall): Promise<void> {
    const { registered, call } = faulting(() => this.find(decodeCall(message.body)))
    const args = faulting(() => parseCallArguments(registered.interface, call))
    await registered.handlers[call.operation]?.(args, incoming)
  }

  private find(call: Call): { readonly registered: Registered; readonly call: Call } {
    const registered = this.interfaces.find(candidate => isForInterface(call, candidate.interface))
    if (registered !== undefined) return { registered, call }
    throw new AppError('RPC_S_UNKNOWN_IF', `No interface ${call.interface} ${call.version} is registered.`)
  }
}

/** A call that no handler can take: it is for another interface, or its arguments do not fit. */
class CallFault extends AppError {
  constructor(cause: AppError) {
    super(cause.code, cause.message, cause.evidence, { cause })
  }
}

function faulting<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isAppError(error)) throw new CallFault(error)
    throw error
  }
}

function wordOf({ endpointFlags }: EndpointOptions): number {
  return typeof endpointFlags === 'number' ? endpointFlags : endpointFlagsOf(endpointFlags)
}

function publicHalf(privateKey: KeyObject): string {
  return toBase64(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))
}
