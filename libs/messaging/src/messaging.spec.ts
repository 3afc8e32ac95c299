import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '@app/core'
import {
  buildSampleCertificate,
  sampleKey,
  SAMPLE_KEY_KINDS,
  type SampleKeyKind
} from '../../../test/helpers/x509-samples.js'
import { acknowledgementFor, isSecurityClass, type MessageLevel } from './codes.js'
import { decryptEnvelope, sealMessage, type MessageSigner, type NewMessage, type Protection } from './envelope.js'
import { parseEnvelope } from './envelope-parts.js'
import { encryptionKeyId } from './message-key.js'
import { judgeArrival, judgeMessage, type QueueRules, type ReceiverKnowledge } from './receive-order.js'

const SID = 'S-1-5-21-666199682-1411342147-2938717855-1001'
const BODY = Buffer.from('what only the receiver reads')
const ORDERS: QueueRules = { name: 'orders', authenticate: false, privacy: 'optional' }
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error

const signers = new Map<SampleKeyKind, MessageSigner>()
function signerOf(kind: SampleKeyKind = 'P-256'): MessageSigner {
  const signer = signers.get(kind) ?? {
    certificate: buildSampleCertificate(sampleKey(kind)),
    privateKey: sampleKey(kind).privateKey,
    sid: SID
  }
  signers.set(kind, signer)
  return signer
}
const queueKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const messageTo = (queue: string, fields: Partial<NewMessage['fields']> = {}): NewMessage => ({
  fields: { messageId: randomUUID(), destinationQueue: queue, sentAt: '2026-03-01T12:00:00Z', ...fields },
  body: BODY
})
function protectionOf(level: MessageLevel, signer = signerOf()): Protection {
  if (level === 'none') return { level }
  return level === 'integrity' ? { level, signer } : { level, signer, encryptTo: queueKey.publicKey }
}
const seal = (level: MessageLevel, fields: Partial<NewMessage['fields']> = {}): Promise<string> =>
  sealMessage(messageTo('orders', fields), protectionOf(level))

const knowledgeOf = (
  other: Partial<ReceiverKnowledge> = {},
  key: KeyObject = queueKey.privateKey
): ReceiverKnowledge => ({
  findKey: id => Promise.resolve(id === encryptionKeyId(createPublicKey(key)) ? key : undefined),
  isRegistered: sid => Promise.resolve(sid === SID),
  mayWrite: () => Promise.resolve(true),
  isDuplicate: () => Promise.resolve(false),
  ...other
})
async function outcome(text: string, queue: Partial<QueueRules> = {}, known: Partial<ReceiverKnowledge> = {}) {
  const judged = await judgeMessage(parseEnvelope(text), { ...ORDERS, ...queue }, knowledgeOf(known))
  if (judged.verdict === 'refused') return judged.class
  return judged.verdict === 'accepted' ? judged.message.level : judged.verdict
}
const no = (): Promise<boolean> => Promise.resolve(false)
const yes = (): Promise<boolean> => Promise.resolve(true)

/** What a damaged envelope comes to: refused when it is read, or the class that it is refused with. */
async function outcomeOfDamaged(text: string): Promise<string> {
  try {
    return await outcome(text)
  } catch (error) {
    return (error as { readonly code: string }).code
  }
}

describe('a message', () => {
  it.each(SAMPLE_KEY_KINDS)('signed with %s shows its body, its fields and its sender', async kind => {
    const signer = signerOf(kind)
    const fields = { label: 'Größe', priority: 7, adminQueue: 'receipts', timeToBeReceived: 60 }
    for (const level of ['integrity', 'privacy'] as const) {
      const text = await sealMessage(messageTo('orders', fields), protectionOf(level, signer))
      const judged = await judgeMessage(parseEnvelope(text), ORDERS, knowledgeOf({ isRegistered: yes }))
      expect(judged).toMatchObject({ verdict: 'accepted', message: { level, fields, sender: { sid: SID } } })
      if (judged.verdict !== 'accepted') return
      expect(Buffer.from(judged.message.body)).toEqual(BODY)
      expect(Buffer.from(judged.message.sender?.certificate ?? [])).toEqual(Buffer.from(signer.certificate))
    }
  })

  it('without protection shows its body and nobody as its sender', async () => {
    const judged = await judgeMessage(parseEnvelope(await seal('none')), ORDERS, knowledgeOf())
    expect(judged).toMatchObject({ verdict: 'accepted', message: { level: 'none', sender: undefined } })
  })

  it('004-2 is refused when any byte of its envelope is flipped', { timeout: 60_000 }, async () => {
    for (const level of ['integrity', 'privacy'] as const) {
      const bytes = Buffer.from(await seal(level))
      for (let at = 0; at < bytes.length; at++) {
        const damaged = Buffer.from(bytes)
        damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at)
        expect(['MQ_ERROR_INVALID_PARAMETER', 'NACK_BAD_SIGNATURE', 'NACK_BAD_ENCRYPTION']).toContain(
          await outcomeOfDamaged(damaged.toString('latin1'))
        )
      }
    }
  })

  it('004-2 is refused in another queue, at every level', async () => {
    for (const level of ['none', 'integrity', 'privacy'] as const) {
      expect(await outcome(await seal(level), { name: 'invoices' })).toBe('NACK_BAD_SIGNATURE')
    }
  })

  it('is refused when the receiver takes it out of its encryption and sends it on as only signed', async () => {
    const inner = await decryptEnvelope(parseEnvelope(await seal('privacy')), queueKey.privateKey)
    expect(await outcome(inner.text)).toBe('NACK_BAD_SIGNATURE')
  })

  it('is refused when the fields outside of its encryption are not those that were signed', async () => {
    const envelope = parseEnvelope(await seal('privacy'))
    const inner = await decryptEnvelope(envelope, queueKey.privateKey)
    const [encoded = ''] = envelope.text.split('.')
    const { epk: _, ...header } = JSON.parse(Buffer.from(encoded, 'base64url').toString()) as Record<string, object>
    const forged = await new CompactEncrypt(Buffer.from(inner.text))
      .setProtectedHeader({ ...header, mq: { ...header['mq'], priority: 7 } } as never)
      .encrypt(queueKey.publicKey, { crit: { mq: true } })
    expect(await outcome(forged)).toBe('NACK_BAD_ENCRYPTION')
  })

  it('is not made with fields that no message has, nor to a key or by a key that cannot do it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const invalid = [{ priority: 8 }, { label: 'x'.repeat(250) }, { sentAt: 'now' }, { timeToReachQueue: 1e9 }]
    for (const fields of invalid)
      await expect(seal('none', fields)).rejects.toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
    const small = sealMessage(messageTo('orders'), protectionOf('integrity', { ...signerOf(), privateKey }))
    await expect(small).rejects.toThrow(coded('MQ_ERROR_INVALID_CERTIFICATE'))
    const weak: Protection = { level: 'privacy', signer: signerOf(), encryptTo: publicKey }
    await expect(sealMessage(messageTo('orders'), weak)).rejects.toThrow(coded('MQ_ERROR_PUBLIC_KEY_NOT_FOUND'))
  })
})

describe('a queue', () => {
  it('004-3 takes what reaches its level and refuses what does not, each with one class', async () => {
    const [none, integrity, privacy] = await Promise.all([seal('none'), seal('integrity'), seal('privacy')])
    const table = [
      [{}, ['none', 'integrity', 'privacy']],
      [{ authenticate: true }, ['NACK_BAD_SIGNATURE', 'integrity', 'privacy']],
      [{ authenticate: true, privacy: 'body' }, ['NACK_BAD_ENCRYPTION', 'NACK_BAD_ENCRYPTION', 'privacy']],
      [{ privacy: 'none' }, ['none', 'integrity', 'NACK_BAD_ENCRYPTION']]
    ] as const
    for (const [rules, expected] of table) {
      expect([await outcome(none, rules), await outcome(integrity, rules), await outcome(privacy, rules)]).toEqual(
        expected
      )
    }
  })

  it('004-6 refuses a certificate that is registered for another SID, and a SID without the right to write', async () => {
    for (const level of ['integrity', 'privacy'] as const) {
      const text = await seal(level)
      expect(await outcome(text, {}, { isRegistered: no, mayWrite: no })).toBe('NACK_BAD_SIGNATURE')
      expect(await outcome(text, {}, { mayWrite: no, isDuplicate: yes })).toBe('NACK_ACCESS_DENIED')
    }
    expect(await outcome(await seal('none'), {}, { mayWrite: sid => Promise.resolve(sid !== undefined) })).toBe(
      'NACK_ACCESS_DENIED'
    )
  })

  it('004-7 drops a message that came before', async () => {
    for (const level of ['none', 'integrity', 'privacy'] as const) {
      expect(await outcome(await seal(level), {}, { isDuplicate: yes })).toBe('duplicate')
    }
  })

  it('refuses what is encrypted to another key', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const judged = await judgeMessage(parseEnvelope(await seal('privacy')), ORDERS, knowledgeOf({}, other))
    expect(judged).toEqual({ verdict: 'refused', class: 'NACK_BAD_ENCRYPTION' })
  })

  it('is judged by a server without its key as far as can be seen', async () => {
    const arrive = async (
      level: MessageLevel,
      queue: Partial<QueueRules> = {},
      known: Partial<ReceiverKnowledge> = {}
    ) => judgeArrival(parseEnvelope(await seal(level)), { ...ORDERS, ...queue }, knowledgeOf(known))
    expect(await arrive('privacy')).toEqual({ verdict: 'sealed' })
    expect(await arrive('privacy', {}, { isDuplicate: yes })).toEqual({ verdict: 'duplicate' })
    expect(await arrive('privacy', { privacy: 'none' })).toEqual({ verdict: 'refused', class: 'NACK_BAD_ENCRYPTION' })
    const closed = { mayWrite: no }
    expect(await arrive('privacy', {}, closed)).toEqual({ verdict: 'refused', class: 'NACK_ACCESS_DENIED' })
    expect(await arrive('integrity')).toMatchObject({ verdict: 'accepted', message: { level: 'integrity' } })
  })
})

describe('an acknowledgement', () => {
  it('is asked for by the bit of its class, and tells of security only where that is allowed', () => {
    const bits = ['NORMAL', 'ACK_REACH_QUEUE', 'ACK_RECEIVE', 'NACK_Q_EXCEED_QUOTA', 'NACK_RECEIVE_TIMEOUT'] as const
    expect(bits.map(acknowledgementFor)).toEqual([0, 1, 2, 4, 8])
    expect(isSecurityClass('NACK_BAD_SIGNATURE')).toBe(true)
    expect(isSecurityClass('NACK_Q_EXCEED_QUOTA')).toBe(false)
  })
})
