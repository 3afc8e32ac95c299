import { AppError } from '@app/core'
import type { MessageLevel, QueuePrivacy } from './codes.js'
import { queueNameSchema } from './message-fields.js'

/** The protocol sequence of queued calls. */
export const NCADG_MQ = 'ncadg_mq'

/** How much of a call is protected (MS-RPCE 2.2.1.1.8). */
export const RPC_C_AUTHN_LEVEL = {
  DEFAULT: 0,
  NONE: 1,
  CONNECT: 2,
  CALL: 3,
  PKT: 4,
  PKT_INTEGRITY: 5,
  PKT_PRIVACY: 6
} as const

/** The authentication service of queued calls: that of messages. */
export const RPC_C_AUTHN_MQ = 100

/** How an endpoint is opened (RPC_POLICY, EndpointFlags); the bits add up. */
export const RPC_C_MQ = {
  TEMPORARY: 0x0,
  PERMANENT: 0x1,
  CLEAR_ON_OPEN: 0x2,
  USE_EXISTING_SECURITY: 0x4,
  AUTHN_LEVEL_NONE: 0x0,
  AUTHN_LEVEL_PKT_INTEGRITY: 0x8,
  AUTHN_LEVEL_PKT_PRIVACY: 0x10
} as const

/** The name of a {@link RPC_C_MQ} flag. */
export type EndpointFlag = keyof typeof RPC_C_MQ

/** What may be said of the calls of a binding (RpcBindingSetOption). */
export const RPC_C_OPT_MQ = {
  DELIVERY: 1,
  PRIORITY: 2,
  JOURNAL: 3,
  ACKNOWLEDGE: 4,
  AUTHN_SERVICE: 5,
  AUTHN_LEVEL: 6,
  TIME_TO_REACH_QUEUE: 7,
  TIME_TO_BE_RECEIVED: 8
} as const

const ALL_FLAGS = 0x1f
const LEVELS: readonly MessageLevel[] = ['none', 'integrity', 'privacy']

/** What a caller says of how its calls are authenticated. */
export interface AuthInfo {
  readonly authnLevel: number
  /** 100 if absent. */
  readonly authnSvc?: number
}

/** How an endpoint is opened. */
export interface EndpointPolicy {
  /** Whether the queue is there after its server has ended, and takes calls. */
  readonly permanent: boolean
  /** Whether what waits is dropped. */
  readonly clearOnOpen: boolean
  /** Whether a queue that is there already keeps its level. */
  readonly useExistingSecurity: boolean
  readonly minimum: MessageLevel
}

/**
 * The level that a call is sent at: what there is not is raised to the next that there is (MS-RPCE 2.2.1.1.8), so that 2,
 * 3 and 4 are 5; 0 is the least that the endpoint takes. Throws `RPC_S_UNKNOWN_AUTHN_SERVICE`, `RPC_S_UNKNOWN_AUTHN_LEVEL`.
 */
export function callLevelOf({ authnLevel, authnSvc = RPC_C_AUTHN_MQ }: AuthInfo, minimum: MessageLevel): MessageLevel {
  requireAuthInfo({ authnLevel, authnSvc })
  if (authnLevel === RPC_C_AUTHN_LEVEL.DEFAULT) return minimum
  if (authnLevel === RPC_C_AUTHN_LEVEL.NONE) return 'none'
  return authnLevel === RPC_C_AUTHN_LEVEL.PKT_PRIVACY ? 'privacy' : 'integrity'
}

/** Throws `RPC_S_UNKNOWN_AUTHN_SERVICE` for another service than messages have, `RPC_S_UNKNOWN_AUTHN_LEVEL`. */
export function requireAuthInfo({ authnLevel, authnSvc = RPC_C_AUTHN_MQ }: AuthInfo): void {
  if (authnSvc !== RPC_C_AUTHN_MQ) {
    throw new AppError('RPC_S_UNKNOWN_AUTHN_SERVICE', `Queued calls are authenticated by ${RPC_C_AUTHN_MQ} alone.`, {
      authnSvc
    })
  }
  if (Number.isInteger(authnLevel) && authnLevel >= 0 && authnLevel <= RPC_C_AUTHN_LEVEL.PKT_PRIVACY) return
  throw new AppError('RPC_S_UNKNOWN_AUTHN_LEVEL', 'An authentication level is 0 to 6.', { authnLevel })
}

/** Throws `RPC_S_PROTSEQ_NOT_SUPPORTED`, and `MQ_ERROR_INVALID_PARAMETER` for what is no name of a queue. */
export function requireEndpoint(protseq: string, endpoint: string): void {
  if (protseq !== NCADG_MQ) {
    throw new AppError('RPC_S_PROTSEQ_NOT_SUPPORTED', `Calls are queued by ${NCADG_MQ} alone.`, { protseq })
  }
  if (queueNameSchema.safeParse(endpoint).success) return
  throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The endpoint is no name of a queue.', { endpoint })
}

/** The word of flags by name. */
export function endpointFlagsOf(names: readonly EndpointFlag[]): number {
  return names.reduce((word, name) => word | RPC_C_MQ[name], 0)
}

/** What flags say. Of two levels the higher counts. Throws `MQ_ERROR_INVALID_PARAMETER` for a flag that there is not. */
export function parseEndpointFlags(word: number): EndpointPolicy {
  if (!Number.isInteger(word) || (word & ~ALL_FLAGS) !== 0) {
    throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The flags of an endpoint have a bit that means nothing.', {
      word
    })
  }
  const has = (flag: EndpointFlag): boolean => (word & RPC_C_MQ[flag]) !== 0
  const level = has('AUTHN_LEVEL_PKT_INTEGRITY') ? 'integrity' : 'none'
  return {
    permanent: has('PERMANENT'),
    clearOnOpen: has('CLEAR_ON_OPEN'),
    useExistingSecurity: has('USE_EXISTING_SECURITY'),
    minimum: has('AUTHN_LEVEL_PKT_PRIVACY') ? 'privacy' : level
  }
}

/** What a queue demands so that it takes calls of a level and above, and ignores those below. */
export function queueRulesFor(minimum: MessageLevel): {
  readonly authenticate: boolean
  readonly privacy: QueuePrivacy
} {
  return { authenticate: minimum !== 'none', privacy: minimum === 'privacy' ? 'body' : 'optional' }
}

/** The least level that a queue takes. */
export function minimumLevelOf(queue: {
  readonly authenticate: boolean
  readonly privacy: QueuePrivacy
}): MessageLevel {
  if (queue.privacy === 'body') return 'privacy'
  return queue.authenticate ? 'integrity' : 'none'
}

/** Whether a call is ignored by an endpoint. */
export function isBelow(level: MessageLevel, minimum: MessageLevel): boolean {
  return LEVELS.indexOf(level) < LEVELS.indexOf(minimum)
}
