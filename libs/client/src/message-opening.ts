import { createPublicKey, type KeyObject } from 'node:crypto'
import { toBase64 } from '@app/core'
import { encryptionKeyId, judgeMessage, parseEnvelope } from '@app/messaging'
import type { ReceivedMessage, StoredMessage } from './message-queue-types.js'
import type { Transport } from './transport.js'

/** Where queues are. */
export const QUEUES_PATH = '/api/v1/mq/queues'

/** The path of a queue, or of what is in it. */
export function queuePath(queue: string, ...rest: readonly (string | number)[]): string {
  return [QUEUES_PATH, ...[queue, ...rest].map(encodeURIComponent)].join('/')
}

interface SenderCheck {
  readonly registered: boolean
  readonly mayWrite: boolean
  readonly name?: string
}

/** Opens messages that were taken out of a queue. */
export class MessageOpening {
  constructor(private readonly transport: Transport) {}

  /** A message that passed every check. What does not pass is refused with its class; undefined then. */
  async open(
    queue: string,
    { id, class: name, envelope, deliveries, senderName: stored }: StoredMessage,
    { lease, keys }: { readonly lease: string; readonly keys: readonly KeyObject[] }
  ): Promise<ReceivedMessage | undefined> {
    const settle = async (outcome: string, more: object = {}): Promise<void> => {
      const json = { lease, outcome, ...more }
      await this.transport.call({ method: 'POST', path: queuePath(queue, 'messages', id, 'settle'), json })
    }
    const { judged, senderName } = await this.judge(queue, envelope, keys)
    if (judged.verdict === 'accepted') {
      return {
        ...judged.message,
        id,
        class: name,
        deliveries,
        senderName: stored ?? senderName,
        complete: () => settle('received'),
        reject: () => settle('NACK_RECEIVE_REJECTED'),
        release: () => settle('released'),
        prolong: leaseSeconds => settle('prolonged', { leaseSeconds })
      }
    }
    await settle(judged.verdict === 'refused' ? judged.class : 'received')
    return undefined
  }

  private async judge(queue: string, envelope: string, keys: readonly KeyObject[]) {
    const parsed = parseEnvelope(envelope)
    let sender: Promise<SenderCheck> | undefined
    const check = (sid: string, certificate: Uint8Array): Promise<SenderCheck> => {
      const json = { sid, certificate: toBase64(certificate) }
      sender ??= this.transport.json({ method: 'POST', path: queuePath(queue, 'sender-checks'), json })
      return sender
    }
    const judged = await judgeMessage(
      parsed,
      { name: parsed.fields.destinationQueue, authenticate: false, privacy: 'optional' },
      {
        findKey: keyId => Promise.resolve(keys.find(key => encryptionKeyId(createPublicKey(key)) === keyId)),
        // The server judged what it could see when the message came; of an encrypted one that is not its sender.
        isRegistered: async (sid, certificate) =>
          parsed.level !== 'privacy' || (await check(sid, certificate)).registered,
        mayWrite: async () => sender === undefined || (await sender).mayWrite,
        isDuplicate: () => Promise.resolve(false)
      }
    )
    return { judged, senderName: (await sender)?.name }
  }
}
