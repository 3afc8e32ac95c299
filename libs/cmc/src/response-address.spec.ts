import { encodeNull, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import {
  buildSampleCmc,
  forgeCmc,
  keyHashControl,
  sampleCertificationRequest
} from '../../../test/helpers/cmc-messages.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { encodeTaggedAttribute } from './message-part.js'
import { encodePkcs10RequestSequence } from './pki-data.js'
import { findResponseAddress } from './response-address.js'

const transactionId = Buffer.of(0x41, 0x42)
const senderNonce = Buffer.from('sixteen octets!!')
const ties = [
  encodeTaggedAttribute(8, OID.id_cmc_transactionId, Buffer.from('02024142', 'hex')),
  encodeTaggedAttribute(9, OID.id_cmc_senderNonce, encodeOctetString(senderNonce))
]
const standard = { format: 'cmc', dialect: 'standard', transactionId, senderNonce }

describe('the address of a response', () => {
  it('is what a sound request says', async () => {
    const { request } = await buildSampleCmc({ transactionId, senderNonce })
    expect(findResponseAddress(request)).toMatchObject({ ...standard, bodyPartId: 1 })
  })

  it('is found beside a control that is not known', async () => {
    const unknown = encodeTaggedAttribute(5, '1.2.3.4', encodeNull())
    const message = await forgeCmc({ controls: [unknown, ...ties] })
    expect(findResponseAddress(message)).toEqual({ ...standard, bodyPartId: 1 })
  })

  it('is found beside a request that cannot be read', async () => {
    const requestSequence = encodePkcs10RequestSequence(4, encodeSequence())
    const message = await forgeCmc({ controls: ties, requestSequence })
    expect(findResponseAddress(message)).toEqual({ ...standard, bodyPartId: 4 })
  })

  it('is the whole message where it has no request', async () => {
    const message = await forgeCmc({ controls: ties, requestSequence: encodeSequence() })
    expect(findResponseAddress(message)).toEqual({ ...standard, bodyPartId: 0 })
  })

  it('names no transaction when the message names two', async () => {
    const second = encodeTaggedAttribute(7, OID.id_cmc_transactionId, Buffer.from('020105', 'hex'))
    const message = await forgeCmc({ controls: [second, ...ties] })
    expect(findResponseAddress(message)).toEqual({ format: 'cmc', dialect: 'standard', bodyPartId: 1, senderNonce })
  })

  it('keeps to the habits of Windows for whoever adds attributes as Windows does', async () => {
    const unknown = encodeTaggedAttribute(5, '1.2.3.4', encodeNull())
    const message = await forgeCmc({ controls: [unknown, keyHashControl(Buffer.alloc(20))] })
    expect(findResponseAddress(message)).toEqual({ format: 'cmc', dialect: 'microsoft', bodyPartId: 1 })
  })

  it('is the form alone for a PKCS#10 that cannot be read', async () => {
    const request = await sampleCertificationRequest(sampleKey('P-256'))
    const damaged = encodeSequence(encodeSequence(Buffer.from('020100', 'hex')), request)
    expect(findResponseAddress(damaged)).toEqual({ format: 'pkcs10', dialect: 'microsoft', bodyPartId: 1 })
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no message')]
  ])('is not to be had from %s', (_what, bytes) => {
    expect(findResponseAddress(bytes)).toBeUndefined()
  })
})
