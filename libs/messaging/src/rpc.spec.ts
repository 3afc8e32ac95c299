import { createPublicKey, generateKeyPairSync, privateDecrypt, randomUUID, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ErrorCode } from '@app/core'
import { buildSampleCertificate, sampleKey } from '../../../test/helpers/x509-samples.js'
import { decodeCall, defineCallInterface, encodeCall, isForInterface, parseCallArguments } from './call.js'
import { decryptEnvelope, sealMessage } from './envelope.js'
import { parseEnvelope } from './envelope-parts.js'
import { judgeMessage } from './receive-order.js'
import {
  callLevelOf,
  endpointFlagsOf,
  minimumLevelOf,
  parseEndpointFlags,
  queueRulesFor,
  requireEndpoint,
  RPC_C_AUTHN_MQ
} from './rpc.js'

const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error
const orders = defineCallInterface({
  id: 'A0B1C2D3-0000-4000-8000-000000000001',
  version: '1.2',
  operations: { place: { in: z.strictObject({ item: z.string(), count: z.int().default(1) }) } }
})

describe('the level of a call', () => {
  it('is raised to the next that there is, and is the least of the endpoint where nothing is said', () => {
    const levels = [0, 1, 2, 3, 4, 5, 6].map(authnLevel => callLevelOf({ authnLevel }, 'privacy'))
    expect(levels).toEqual(['privacy', 'none', 'integrity', 'integrity', 'integrity', 'integrity', 'privacy'])
    expect(callLevelOf({ authnLevel: 0, authnSvc: RPC_C_AUTHN_MQ }, 'none')).toBe('none')
    for (const authnLevel of [-1, 7, 1.5, Number.NaN]) {
      expect(() => callLevelOf({ authnLevel }, 'none')).toThrow(coded('RPC_S_UNKNOWN_AUTHN_LEVEL'))
    }
    for (const authnSvc of [0, 10, 16, 101]) {
      expect(() => callLevelOf({ authnLevel: 9, authnSvc }, 'none')).toThrow(coded('RPC_S_UNKNOWN_AUTHN_SERVICE'))
    }
  })
})

describe('an endpoint', () => {
  it('is what its flags say, whose values are those of RPC_POLICY', () => {
    expect(parseEndpointFlags(0)).toEqual({
      permanent: false,
      clearOnOpen: false,
      useExistingSecurity: false,
      minimum: 'none'
    })
    const word = endpointFlagsOf(['PERMANENT', 'CLEAR_ON_OPEN', 'USE_EXISTING_SECURITY', 'AUTHN_LEVEL_PKT_INTEGRITY'])
    expect(word).toBe(0x0f)
    expect(parseEndpointFlags(word)).toEqual({
      permanent: true,
      clearOnOpen: true,
      useExistingSecurity: true,
      minimum: 'integrity'
    })
    expect(parseEndpointFlags(0x18).minimum).toBe('privacy')
    for (const wrong of [0x20, -1, 0.5]) {
      expect(() => parseEndpointFlags(wrong)).toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
    }
    expect(() => requireEndpoint('ncacn_ip_tcp', 'orders')).toThrow(coded('RPC_S_PROTSEQ_NOT_SUPPORTED'))
    expect(() => requireEndpoint('ncadg_mq', 'no name')).toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
  })

  it('004-3 takes calls of its level and above, and no others', async () => {
    const queueKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = sampleKey('P-256')
    const sid = 'S-1-5-21-1-2-3-4'
    const signer = { certificate: buildSampleCertificate(key), privateKey: key.privateKey, sid }
    const knowledge = {
      findKey: () => Promise.resolve(queueKey.privateKey),
      isRegistered: () => Promise.resolve(true),
      mayWrite: () => Promise.resolve(true),
      isDuplicate: () => Promise.resolve(false)
    }
    const taken: Record<string, readonly string[]> = {}
    for (const minimum of ['none', 'integrity', 'privacy'] as const) {
      const rules = queueRulesFor(minimum)
      expect(minimumLevelOf(rules)).toBe(minimum)
      const levels: string[] = []
      for (const level of ['none', 'integrity', 'privacy'] as const) {
        const fields = { messageId: randomUUID(), destinationQueue: 'orders', sentAt: '2026-03-01T12:00:00Z' }
        const body = encodeCall(orders, 'place', { item: 'one' })
        const text = await sealMessage({ fields, body }, { level, signer, encryptTo: queueKey.publicKey })
        const judged = await judgeMessage(parseEnvelope(text), { name: 'orders', ...rules }, knowledge)
        if (judged.verdict === 'accepted') levels.push(judged.message.level)
      }
      taken[minimum] = levels
    }
    expect(taken).toEqual({
      none: ['none', 'integrity', 'privacy'],
      integrity: ['integrity', 'privacy'],
      privacy: ['privacy']
    })
  })
})

describe('a call', () => {
  it('comes out as it went in, for the interface, its major version and an operation that it has', () => {
    const call = decodeCall(encodeCall(orders, 'place', { item: 'one' }))
    expect(isForInterface(call, orders)).toBe(true)
    expect(parseCallArguments(orders, call)).toEqual({ item: 'one', count: 1 })
    const others = [{ id: randomUUID() }, { version: '2.2' }, { version: '1.1' }]
    for (const other of others) expect(isForInterface(call, { ...orders, ...other })).toBe(false)
    expect(isForInterface(call, { ...orders, version: '1.3' })).toBe(true)
    expect(() => encodeCall(orders, 'toString', {})).toThrow(coded('RPC_S_PROCNUM_OUT_OF_RANGE'))
    expect(() => encodeCall(orders, 'place', { item: 1 })).toThrow(coded('RPC_X_BAD_STUB_DATA'))
    for (const body of ['', '[]', '{}', '\u{ff}']) {
      expect(() => decodeCall(Buffer.from(body, 'latin1'))).toThrow(coded('RPC_X_BAD_STUB_DATA'))
    }
  })

  it('has no result, so that no interface may have one', () => {
    const answering = { ...orders, operations: { ask: { in: z.string(), out: z.string() } } }
    expect(() => defineCallInterface(answering)).toThrow(coded('RPC_S_CANNOT_SUPPORT'))
    expect(() => defineCallInterface({ ...orders, id: 'orders' })).toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
  })

  it('is opened by a key that does not leave its store, and by no other', async () => {
    const key = sampleKey('rsa')
    const signer = { certificate: buildSampleCertificate(key), privateKey: key.privateKey, sid: 'S-1-5-21-1-2-3-4' }
    const fields = { messageId: randomUUID(), destinationQueue: 'orders', sentAt: '2026-03-01T12:00:00Z' }
    const encryptTo = createPublicKey(key.privateKey)
    const text = await sealMessage({ fields, body: Buffer.from('x') }, { level: 'privacy', signer, encryptTo })
    const held = (privateKey: KeyObject) => ({
      unwrap: (bytes: Uint8Array) => Promise.resolve(privateDecrypt({ key: privateKey, oaepHash: 'sha256' }, bytes))
    })
    const parsed = parseEnvelope(text)
    expect(await decryptEnvelope(parsed, held(key.privateKey))).toEqual(await decryptEnvelope(parsed, key.privateKey))
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const damaged = parseEnvelope(
      text.replace(/.(.{10})$/, match => (match.startsWith('A') ? 'B' : 'A') + match.slice(1))
    )
    for (const [envelope, unwrapping] of [
      [parsed, other],
      [damaged, key.privateKey]
    ] as const) {
      await expect(decryptEnvelope(envelope, held(unwrapping))).rejects.toThrow(
        coded('MQ_ERROR_CORRUPTED_SECURITY_DATA')
      )
    }
  })
})
