import { randomUUID, type KeyObject } from 'node:crypto'
import { AppError, fromBase64, isAppError } from '@app/core'
import {
  ACKNOWLEDGE,
  AUTHN_LEVEL,
  callLevelOf,
  decodeEncryptionKey,
  encodeCall,
  JOURNAL,
  minimumLevelOf,
  requireAuthInfo,
  requireEndpoint,
  NCADG_MQ,
  RPC_C_AUTHN_LEVEL,
  RPC_C_AUTHN_MQ,
  RPC_C_OPT_MQ,
  type AuthInfo,
  type CallArguments,
  type CallInterface,
  type CallOperations,
  type MessageLevel,
  type MessageSigner
} from '@app/messaging'
import type { MessageQueues } from '../message-queues.js'
import type { MessageProperties } from '../message-queue-types.js'
import { SecurityContext } from '../security-context.js'
import { receiveCorrelated } from './correlated-message.js'
import type { OutgoingQueue } from './outgoing-queue.js'

/** What {@link CallBinding} needs to know. */
export interface CallBindingSettings {
  /** The name of the server's queue. */
  readonly endpoint: string
  readonly queues: MessageQueues
  /** Takes calls while the server is down, and all others on their way. */
  readonly outgoing?: OutgoingQueue
  /** Where acknowledgements of arrival come, for RPC_C_OPT_MQ_ACKNOWLEDGE. */
  readonly adminQueue?: string
}

/** How the calls of a binding are authenticated (RpcBindingSetAuthInfo). */
export interface CallAuthInfo extends AuthInfo {
  /** What calls are signed with. */
  readonly identity?: MessageSigner | SecurityContext
}

/** What a call may say beside its arguments. */
export interface CallOptions {
  /** Where its handler may answer to. */
  readonly responseQueue?: string
  /** Names the call; the same call made again is taken once. Made when absent. */
  readonly callId?: string
  readonly label?: string
}

/** That a call is on its way. */
export interface CallReceipt {
  readonly callId: string
  readonly endpoint: string
  /** What it was sent at: as asked for, or raised. */
  readonly authnLevel: number
  /** Whether the server has it, or it waits on this machine. */
  readonly state: 'sent' | 'waiting'
}

/** What is known of the endpoint: asked for when the server answers, remembered for when it does not. */
interface Destination {
  readonly minimum: MessageLevel
  /** SubjectPublicKeyInfo, base64. */
  readonly encryptionKey: string | null
}

const ARRIVAL_SECONDS = 30

/** A caller's side of an endpoint. Its calls have arguments and no result, and return at once. */
export class CallBinding {
  private auth: CallAuthInfo = { authnLevel: RPC_C_AUTHN_LEVEL.NONE }
  private properties: MessageProperties = { journal: JOURNAL.DEADLETTER, delivery: 1 }
  private waitsForArrival = false
  private destination: Destination | undefined

  /** Throws `MQ_ERROR_INVALID_PARAMETER` for what is no name of an endpoint. */
  constructor(private readonly settings: CallBindingSettings) {
    requireEndpoint(NCADG_MQ, settings.endpoint)
  }

  /**
   * Says how calls are authenticated from now on. Throws `RPC_S_UNKNOWN_AUTHN_SERVICE`, `RPC_S_UNKNOWN_AUTHN_LEVEL`, and
   * `RPC_S_INVALID_AUTH_IDENTITY` for a level that needs a signature and nothing to sign with.
   */
  setAuthInfo(info: CallAuthInfo): void {
    requireAuthInfo(info)
    if (info.authnLevel > RPC_C_AUTHN_LEVEL.NONE) requireIdentity(info)
    this.auth = info
  }

  /** What was said last, with the level as it was asked for (RpcBindingInqAuthInfo). */
  inqAuthInfo(): Required<AuthInfo> {
    const { authnLevel, authnSvc = RPC_C_AUTHN_MQ } = this.auth
    return { authnLevel, authnSvc }
  }

  /**
   * Says something of the calls from now on, by an option of RPC_C_OPT_MQ. Throws `RPC_S_CANNOT_SUPPORT` for an option that
   * there is not, and for acknowledgements without an administration queue; `MQ_ERROR_INVALID_PARAMETER` for a value.
   */
  setOption(option: number, value: number): void {
    const { auth } = this
    if (option === RPC_C_OPT_MQ.AUTHN_LEVEL) return this.setAuthInfo({ ...auth, authnLevel: value })
    if (option === RPC_C_OPT_MQ.AUTHN_SERVICE) return this.setAuthInfo({ ...auth, authnSvc: value })
    if (option === RPC_C_OPT_MQ.ACKNOWLEDGE) return this.setAcknowledge(value !== 0)
    const name = PROPERTIES.get(option)
    if (name === undefined) {
      throw new AppError('RPC_S_CANNOT_SUPPORT', `Queued calls have no option ${option}.`, { option })
    }
    const [least, most] = RANGES[name]
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new AppError('MQ_ERROR_INVALID_PARAMETER', `${name} is ${least} to ${most}.`, { option, value })
    }
    this.properties = { ...this.properties, [name]: value }
  }

  /**
   * Makes a call. With a queue of outgoing messages it is kept on this machine before anything is sent, and stays there
   * while the server is down; without one a server that is down throws `server_unreachable`. Throws
   * `RPC_S_PROCNUM_OUT_OF_RANGE`, `RPC_X_BAD_STUB_DATA`, `RPC_S_INVALID_AUTH_IDENTITY`, `MQ_ERROR_PUBLIC_KEY_NOT_FOUND` for
   * a private call to an endpoint without a key, and as `MessageQueues.seal`.
   */
  async call<Operations extends CallOperations, Name extends keyof Operations & string>(
    to: CallInterface<Operations>,
    operation: Name,
    args: CallArguments<Operations, Name>,
    options: CallOptions = {}
  ): Promise<CallReceipt> {
    const { endpoint, queues, outgoing } = this.settings
    // 1. What is called, and at which level.
    const body = encodeCall(to, operation, args)
    const destination = await this.findDestination()
    const level = callLevelOf(this.auth, destination.minimum)
    // 2. Seal it: what is private is so on this machine already.
    const callId = options.callId ?? randomUUID()
    const envelope = await queues.seal(endpoint, body, {
      ...this.protectionAt(level, destination),
      ...this.properties,
      messageId: callId,
      ...(options.label === undefined ? {} : { label: options.label }),
      ...(options.responseQueue === undefined ? {} : { responseQueue: options.responseQueue })
    })
    // 3. Send it, by the queue of this machine where there is one.
    const receipt = { callId, endpoint, authnLevel: AUTHN_LEVEL[level] }
    if (outgoing === undefined) await queues.sendEnvelope(endpoint, envelope)
    else if (!(await this.sendBy(outgoing, envelope, callId))) return { ...receipt, state: 'waiting' }
    if (this.waitsForArrival) await this.awaitArrival(callId)
    return { ...receipt, state: 'sent' }
  }

  private setAcknowledge(isWanted: boolean): void {
    const { adminQueue } = this.settings
    if (isWanted && adminQueue === undefined) {
      throw new AppError('RPC_S_CANNOT_SUPPORT', 'Acknowledgements need an administration queue of the caller.')
    }
    this.waitsForArrival = isWanted
    const acknowledge = isWanted ? ACKNOWLEDGE.POS_ARRIVAL | ACKNOWLEDGE.NEG_ARRIVAL : 0
    this.properties = { ...this.properties, acknowledge, ...(adminQueue === undefined ? {} : { adminQueue }) }
  }

  private protectionAt(level: MessageLevel, { encryptionKey }: Destination): object {
    if (level === 'none') return { level }
    const identity = requireIdentity(this.auth)
    const signing = identity instanceof SecurityContext ? { securityContext: identity } : { signer: identity }
    return level === 'integrity' ? { level, ...signing } : { level, ...signing, encryptTo: this.keyIn(encryptionKey) }
  }

  private keyIn(encryptionKey: string | null): KeyObject {
    const { endpoint } = this.settings
    if (encryptionKey !== null) return decodeEncryptionKey(fromBase64(encryptionKey) ?? new Uint8Array())
    throw new AppError('MQ_ERROR_PUBLIC_KEY_NOT_FOUND', `The endpoint "${endpoint}" has no key to encrypt to.`, {
      endpoint
    })
  }

  private async findDestination(): Promise<Destination> {
    if (this.destination !== undefined) return this.destination
    const { endpoint, queues, outgoing } = this.settings
    const note = `endpoint-${endpoint.toLowerCase()}`
    try {
      const queue = await queues.get(endpoint)
      this.destination = { minimum: minimumLevelOf(queue), encryptionKey: queue.encryptionKey }
      await outgoing?.remember(note, this.destination)
      return this.destination
    } catch (error) {
      const isDown = isAppError(error, 'server_unreachable') || isAppError(error, 'unavailable')
      const known = isDown ? await outgoing?.recall<Destination>(note) : undefined
      if (known !== undefined) return known
      throw error
    }
  }

  /** Whether the server has it. Throws why it never will. */
  private async sendBy(outgoing: OutgoingQueue, envelope: string, callId: string): Promise<boolean> {
    const { endpoint, queues } = this.settings
    await outgoing.put(endpoint, envelope)
    const { sent, failed } = await outgoing.send(queues)
    const failure = failed.find(({ messageId }) => messageId === callId)
    if (failure === undefined) return sent.includes(callId)
    throw new AppError(failure.code ?? 'MQ_ERROR_INVALID_PARAMETER', 'The call was refused, and is a dead letter.', {
      class: failure.class
    })
  }

  private async awaitArrival(callId: string): Promise<void> {
    const queue = this.settings.adminQueue ?? ''
    const found = await receiveCorrelated(this.settings.queues, { queue, correlationId: callId, wait: ARRIVAL_SECONDS })
    if (found?.class === 'ACK_REACH_QUEUE') return
    throw new AppError('unavailable', `The endpoint did not take the call: ${found?.class ?? 'no acknowledgement'}.`, {
      callId
    })
  }
}

const PROPERTIES = new Map<number, keyof typeof RANGES>([
  [RPC_C_OPT_MQ.DELIVERY, 'delivery'],
  [RPC_C_OPT_MQ.PRIORITY, 'priority'],
  [RPC_C_OPT_MQ.JOURNAL, 'journal'],
  [RPC_C_OPT_MQ.TIME_TO_REACH_QUEUE, 'timeToReachQueue'],
  [RPC_C_OPT_MQ.TIME_TO_BE_RECEIVED, 'timeToBeReceived']
])

const RANGES = {
  delivery: [0, 1],
  priority: [0, 7],
  journal: [0, 2],
  timeToReachQueue: [0, 2_592_000],
  timeToBeReceived: [0, 0xfffffffe]
} as const

function requireIdentity({ identity, authnLevel }: CallAuthInfo): MessageSigner | SecurityContext {
  if (identity !== undefined) return identity
  throw new AppError(
    'RPC_S_INVALID_AUTH_IDENTITY',
    'Calls at this level are signed, and there is nothing to sign with.',
    {
      authnLevel
    }
  )
}
