import type { KeyObject } from 'node:crypto'
import { isAppError } from '@app/core'
import type { MessageClass, MessageLevel, QueuePrivacy } from './codes.js'
import { decryptEnvelope, verifyEnvelope, type VerifiedMessage } from './envelope.js'
import type { ParsedEnvelope } from './envelope-parts.js'
import type { HeldDecryptionKey } from './held-decryption-key.js'

/** What a queue demands of its messages. */
export interface QueueRules {
  readonly name: string
  /** Whether it takes signed messages only (PROPID_Q_AUTHENTICATE). */
  readonly authenticate: boolean
  readonly privacy: QueuePrivacy
}

/** What the receiver knows or can look up. */
export interface ReceiverKnowledge {
  /** The private key of that id; undefined when the receiver has none. */
  findKey(keyId: string): Promise<KeyObject | HeldDecryptionKey | undefined>
  /** Whether the certificate, byte for byte, is registered for the account of the SID. */
  isRegistered(sid: string, certificate: Uint8Array): Promise<boolean>
  /** Whether the sender may write into the queue; undefined: nobody vouches for who it is. */
  mayWrite(sid: string | undefined): Promise<boolean>
  /** Whether a message of the id came from the sender before. */
  isDuplicate(messageId: string, sid: string | undefined): Promise<boolean>
}

/** A message that passed every check: its level is what was verified, not what it claimed. */
export interface AcceptedMessage {
  readonly level: MessageLevel
  readonly body: Uint8Array
  readonly fields: ParsedEnvelope['fields']
  /** Undefined at the level none. */
  readonly sender: { readonly sid: string; readonly certificate: Uint8Array } | undefined
}

/** What becomes of a message: taken, dropped because it came before, or refused with a class. */
export type Verdict =
  | { readonly verdict: 'accepted'; readonly message: AcceptedMessage }
  | { readonly verdict: 'duplicate' }
  | { readonly verdict: 'refused'; readonly class: MessageClass }

/** As {@link Verdict}; `sealed`: everything that can be seen without the key is right. */
export type ArrivalVerdict = Verdict | { readonly verdict: 'sealed' }

/**
 * Judges a message in the one order, so that each refusal has one class: is it for this queue, the privacy rule, then
 * decrypt, verify the signature, the certificate registered for the SID, the authentication rule, the right to write, the
 * duplicate (MS-MQQB 3.1.5.8, with decryption before verification because what is signed is encrypted afterwards).
 */
export async function judgeMessage(
  envelope: ParsedEnvelope,
  queue: QueueRules,
  knowledge: ReceiverKnowledge
): Promise<Verdict> {
  const seen = checkOutside(envelope, queue)
  if (seen !== undefined) return refused(seen)
  if (envelope.level === 'none') return judgePlain(envelope, queue, knowledge)
  const { keyId, level } = envelope
  const key = keyId === undefined ? undefined : await knowledge.findKey(keyId)
  if (level === 'privacy' && key === undefined) return refused('NACK_BAD_ENCRYPTION')
  const opened = key === undefined ? envelope : await orUndefined(decryptEnvelope(envelope, key))
  if (opened === undefined) return refused('NACK_BAD_ENCRYPTION')
  const verified = await orUndefined(verifyEnvelope(opened, level))
  if (verified === undefined) return refused('NACK_BAD_SIGNATURE')
  return judgeSender(verified, level, knowledge)
}

/**
 * As {@link judgeMessage}, for a server that has no key of the queue: an encrypted message is judged by what can be seen
 * of it, and by its receiver in full.
 */
export async function judgeArrival(
  envelope: ParsedEnvelope,
  queue: QueueRules,
  knowledge: Omit<ReceiverKnowledge, 'findKey'>
): Promise<ArrivalVerdict> {
  if (envelope.level !== 'privacy') {
    return judgeMessage(envelope, queue, { ...knowledge, findKey: () => Promise.resolve(undefined) })
  }
  const seen = checkOutside(envelope, queue)
  if (seen !== undefined) return refused(seen)
  // Who it says it is from is not known yet, so that whoever hands it in must be let in himself.
  if (!(await knowledge.mayWrite(undefined))) return refused('NACK_ACCESS_DENIED')
  const { messageId, senderSid } = envelope.fields
  return (await knowledge.isDuplicate(messageId, senderSid)) ? { verdict: 'duplicate' } : { verdict: 'sealed' }
}

function checkOutside({ level, fields }: ParsedEnvelope, queue: QueueRules): MessageClass | undefined {
  const isPrivate = level === 'privacy'
  if (queue.privacy === (isPrivate ? 'none' : 'body')) return 'NACK_BAD_ENCRYPTION'
  // What was signed for another queue does not verify here.
  return fields.destinationQueue === queue.name ? undefined : 'NACK_BAD_SIGNATURE'
}

async function judgePlain(
  { body, fields }: ParsedEnvelope,
  queue: QueueRules,
  knowledge: Omit<ReceiverKnowledge, 'findKey'>
): Promise<Verdict> {
  if (queue.authenticate) return refused('NACK_BAD_SIGNATURE')
  if (!(await knowledge.mayWrite(undefined))) return refused('NACK_ACCESS_DENIED')
  if (await knowledge.isDuplicate(fields.messageId, undefined)) return { verdict: 'duplicate' }
  const message = { level: 'none', body: body ?? new Uint8Array(), fields, sender: undefined } as const
  return { verdict: 'accepted', message }
}

async function judgeSender(
  { body, fields, senderSid: sid, certificate }: VerifiedMessage,
  level: MessageLevel,
  knowledge: Omit<ReceiverKnowledge, 'findKey'>
): Promise<Verdict> {
  if (!(await knowledge.isRegistered(sid, certificate))) return refused('NACK_BAD_SIGNATURE')
  if (!(await knowledge.mayWrite(sid))) return refused('NACK_ACCESS_DENIED')
  if (await knowledge.isDuplicate(fields.messageId, sid)) return { verdict: 'duplicate' }
  return { verdict: 'accepted', message: { level, body, fields, sender: { sid, certificate } } }
}

function refused(name: MessageClass): Verdict {
  return { verdict: 'refused', class: name }
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}
