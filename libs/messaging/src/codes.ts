/**
 * What becomes of a message, as acknowledgements tell it (MS-MQMQ 2.2.18.1.6): 0x8000 to 0xBFFF for one that did not
 * arrive, 0xC000 and above for one that arrived and was not received.
 */
export const MESSAGE_CLASS = {
  NORMAL: 0x0000,
  ACK_REACH_QUEUE: 0x0002,
  ACK_RECEIVE: 0x4000,
  NACK_BAD_DST_Q: 0x8000,
  NACK_PURGED: 0x8001,
  NACK_REACH_QUEUE_TIMEOUT: 0x8002,
  NACK_Q_EXCEED_QUOTA: 0x8003,
  NACK_ACCESS_DENIED: 0x8004,
  NACK_BAD_SIGNATURE: 0x8006,
  NACK_BAD_ENCRYPTION: 0x8007,
  NACK_Q_DELETED: 0xc000,
  NACK_Q_PURGED: 0xc001,
  NACK_RECEIVE_TIMEOUT: 0xc002,
  NACK_RECEIVE_REJECTED: 0xc004
} as const

/** The name of a {@link MESSAGE_CLASS}. */
export type MessageClass = keyof typeof MESSAGE_CLASS

/** What a sender wants to hear of (PROPID_M_ACKNOWLEDGE); the bits add up. */
export const ACKNOWLEDGE = { POS_ARRIVAL: 1, POS_RECEIVE: 2, NEG_ARRIVAL: 4, NEG_RECEIVE: 8 } as const

/** What is kept of a message (PROPID_M_JOURNAL); the bits add up. */
export const JOURNAL = { DEADLETTER: 1, JOURNAL: 2 } as const

/** Whether a message is kept over a crash of the server (PROPID_M_DELIVERY). */
export const DELIVERY = { EXPRESS: 0, RECOVERABLE: 1 } as const

/** What an access list lets its accounts do with a queue (MC-MQAC 2.2.2.16); the bits add up. */
export const QUEUE_RIGHT = { DELETE_MESSAGE: 0x1, PEEK_MESSAGE: 0x2, WRITE_MESSAGE: 0x4, RECEIVE_JOURNAL: 0xa } as const

/** To take messages out of a queue: to see and to delete them. */
export const RECEIVE_MESSAGE = QUEUE_RIGHT.DELETE_MESSAGE | QUEUE_RIGHT.PEEK_MESSAGE

/** The classes that tell of security; a sender hears of them only where the server lets it (MS-MQQB 3.1.1.3). */
const SECURITY: ReadonlySet<MessageClass> = new Set<MessageClass>([
  'NACK_BAD_DST_Q',
  'NACK_ACCESS_DENIED',
  'NACK_BAD_SIGNATURE',
  'NACK_BAD_ENCRYPTION'
])

/** Whether a negative acknowledgement of the class tells a stranger something of the security of a queue. */
export function isSecurityClass(name: MessageClass): boolean {
  return SECURITY.has(name)
}

/** The acknowledgement bit that asks to hear of a class; 0 for a message itself. */
export function acknowledgementFor(name: MessageClass): number {
  const value = MESSAGE_CLASS[name]
  if (value >= MESSAGE_CLASS.NACK_Q_DELETED) return ACKNOWLEDGE.NEG_RECEIVE
  if (value >= MESSAGE_CLASS.NACK_BAD_DST_Q) return ACKNOWLEDGE.NEG_ARRIVAL
  if (name === 'ACK_RECEIVE') return ACKNOWLEDGE.POS_RECEIVE
  return name === 'ACK_REACH_QUEUE' ? ACKNOWLEDGE.POS_ARRIVAL : 0
}

/** How a message is protected on its way (RPC_C_AUTHN_LEVEL_NONE, PKT_INTEGRITY, PKT_PRIVACY). */
export type MessageLevel = 'none' | 'integrity' | 'privacy'

/** The authentication level of RPC that a message level is (MS-RPCE 2.2.1.1.8). */
export const AUTHN_LEVEL: Readonly<Record<MessageLevel, number>> = { none: 1, integrity: 5, privacy: 6 }

/** Which of its messages a queue wants encrypted (PROPID_Q_PRIV_LEVEL): none, any, or all. */
export type QueuePrivacy = 'none' | 'optional' | 'body'
