import type { ErrorCode } from '@app/core'
import {
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { decodeControls } from './control.js'
import { encodeTaggedAttribute } from './message-part.js'
import { decodePkiData } from './pki-data.js'

const empty = encodeSequence()

function pkiData(parts: Partial<Record<'controls' | 'requests' | 'contentInfos' | 'others', Uint8Array>>): Uint8Array {
  const { controls = empty, requests = empty, contentInfos = empty, others = empty } = parts
  return encodeSequence(controls, requests, contentInfos, others)
}

function nonce(bodyPartId: number | bigint): Uint8Array {
  return encodeSequence(
    encodeInteger(bodyPartId),
    encodeOid(OID.id_cmc_senderNonce),
    encodeTlv(TAG.set, encodeOctetString(Buffer.from('nonce')))
  )
}

const request = encodeContext(0, encodeInteger(1), encodeSequence(encodeNull()))
const external = encodeContext(2, encodeInteger(5), encodeOid('1.2.3'), encodeNull())
const contentInfo = encodeSequence(encodeInteger(6), encodeSequence(encodeOid(OID.id_data)))
const other = encodeSequence(encodeInteger(7), encodeOid('1.2.4'), encodeNull())

describe('PKIData', () => {
  it('is read with all its parts, none of them looked into', () => {
    const bytes = pkiData({
      controls: encodeSequence(nonce(4_294_967_295)),
      requests: encodeSequence(request, external),
      contentInfos: encodeSequence(contentInfo),
      others: encodeSequence(other)
    })
    const data = decodePkiData(bytes)
    expect(data.controls).toMatchObject([{ bodyPartId: 4_294_967_295, type: OID.id_cmc_senderNonce }])
    expect(data.requests).toMatchObject([
      { kind: 'pkcs10', bodyPartId: 1 },
      { kind: 'other', bodyPartId: 5, type: '1.2.3' }
    ])
    expect(data.contentInfos).toMatchObject([{ bodyPartId: 6 }])
    expect(data.otherMessages).toMatchObject([{ bodyPartId: 7, type: '1.2.4' }])
    expect(Buffer.from(data.requestSequence)).toEqual(encodeSequence(request, external))
  })

  const refused: readonly (readonly [what: string, bytes: Uint8Array, code: ErrorCode])[] = [
    ['a body part with id 0', pkiData({ controls: encodeSequence(nonce(0)) }), 'cmc_body_part_id'],
    ['a negative body part id', pkiData({ controls: encodeSequence(nonce(-1)) }), 'cmc_body_part_id'],
    ['a body part id above 32 bits', pkiData({ controls: encodeSequence(nonce(2n ** 32n)) }), 'cmc_body_part_id'],
    ['two controls with one id', pkiData({ controls: encodeSequence(nonce(3), nonce(3)) }), 'cmc_body_part_id'],
    [
      'a control with the id of a request',
      pkiData({ controls: encodeSequence(nonce(1)), requests: encodeSequence(request) }),
      'cmc_body_part_id'
    ],
    [
      'a content info with the id of another message',
      pkiData({
        contentInfos: encodeSequence(contentInfo),
        others: encodeSequence(encodeSequence(encodeInteger(6), encodeOid('1.2.4'), encodeNull()))
      }),
      'cmc_body_part_id'
    ],
    [
      'a fourth form of request',
      pkiData({ requests: encodeSequence(encodeContext(3, encodeNull())) }),
      'cmc_structure'
    ],
    ['a request that is no choice', pkiData({ requests: encodeSequence(encodeNull()) }), 'cmc_structure'],
    ['no otherMsgSequence', encodeSequence(empty, empty, empty), 'der_tag_unexpected'],
    ['a fifth sequence', encodeSequence(empty, empty, empty, empty, empty), 'der_trailing_bytes'],
    ['bytes after it', Buffer.concat([pkiData({}), Buffer.of(0)]), 'der_trailing_bytes'],
    [
      'bytes after a request',
      pkiData({ requests: encodeSequence(encodeContext(0, encodeInteger(1), empty, encodeNull())) }),
      'der_trailing_bytes'
    ],
    [
      'control values out of order',
      pkiData({
        controls: encodeSequence(
          encodeSequence(encodeInteger(2), encodeOid('1.2.3'), encodeTlv(TAG.set, encodeInteger(2), encodeInteger(1)))
        )
      }),
      'der_set_order'
    ]
  ]

  it.each(refused)('with %s is refused', (_what, bytes, code) => {
    expect(codeOf(() => decodePkiData(bytes))).toBe(code)
  })
})

function decodeOnly(type: string, value: Uint8Array): ReturnType<typeof decodeControls>[number] | undefined {
  const bytes = pkiData({ controls: encodeSequence(encodeTaggedAttribute(2, type, value)) })
  return decodeControls(decodePkiData(bytes).controls)[0]
}

describe('a control', () => {
  const statusWithTail = encodeSequence(
    encodeInteger(0),
    encodeSequence(encodeInteger(1)),
    encodeInteger(2),
    encodeNull()
  )

  it('that is not known is never passed over', () => {
    for (const type of ['1.2.3', OID.id_cmc_encryptedPOP, OID.id_cmc_batchRequests, OID.id_cmc_controlProcessed]) {
      expect(codeOf(() => decodeOnly(type, encodeNull()))).toBe('cmc_unknown_control')
    }
  })

  it.each([
    [OID.id_cmc_senderNonce, encodeOctetString(Buffer.from('n')), { kind: 'senderNonce' }],
    [OID.id_cmc_recipientNonce, encodeOctetString(Buffer.from('n')), { kind: 'recipientNonce' }],
    [OID.id_cmc_transactionId, encodeInteger(-129), { kind: 'transactionId', content: Buffer.of(0xff, 0x7f) }],
    [OID.id_cmc_queryPending, encodeOctetString(Buffer.from('17')), { kind: 'queryPending' }],
    [OID.id_cmc_popLinkRandom, encodeOctetString(Buffer.from('r')), { kind: 'popLinkRandom' }],
    [OID.id_cmc_dataReturn, encodeOctetString(Buffer.from('d')), { kind: 'dataReturn' }],
    [OID.id_cmc_identification, encodeTlv(TAG.utf8String, Buffer.from('me')), { kind: 'identification', text: 'me' }],
    [
      OID.id_cmc_revokeRequest,
      encodeSequence(encodeSequence(), encodeInteger(5), encodeTlv(TAG.enumerated, Buffer.of(1))),
      { kind: 'revokeRequest', revokeRequest: { reason: 1, serialNumber: Buffer.of(5) } }
    ]
  ])('%s is read', (type, value, meaning) => {
    expect(decodeOnly(type, value)).toMatchObject({ ...meaning, bodyPartId: 2 })
  })

  it.each([
    [
      'an identification in another string type',
      OID.id_cmc_identification,
      encodeTlv(TAG.ia5String, Buffer.from('me')),
      'der_tag_unexpected'
    ],
    ['a status with something after it', OID.id_cmc_statusInfo, statusWithTail, 'der_trailing_bytes'],
    ['a transaction id that is not minimal', OID.id_cmc_transactionId, Buffer.of(2, 2, 0, 1), 'der_integer_not_minimal']
  ] as const)('with %s is refused', (_what, type, value, code) => {
    expect(codeOf(() => decodeOnly(type, value))).toBe(code)
  })

  it('with two values or none is refused', () => {
    for (const values of [[], [encodeOctetString(Buffer.of(1)), encodeOctetString(Buffer.of(2))]]) {
      const tagged = { bodyPartId: 2, type: OID.id_cmc_senderNonce, values }
      expect(codeOf(() => decodeControls([tagged]))).toBe('cmc_structure')
    }
  })

  it('that may occur once is refused a second time', () => {
    const bytes = pkiData({ controls: encodeSequence(nonce(2), nonce(3)) })
    expect(codeOf(() => decodeControls(decodePkiData(bytes).controls))).toBe('cmc_control_repeated')
  })
})
