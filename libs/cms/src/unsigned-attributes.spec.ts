import { encodeInteger, encodeOctetString } from '@app/der'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { forgeSignedData, makeIdentity, SOUND_CONTENT } from '../../../test/helpers/cms-messages.js'
import { identifierOf } from './identifier.js'
import { buildSignedData } from './signed-data-builder.js'
import { verifySignerInfo } from './signed-data-verification.js'
import { decodeSignedData, type SignerInfo } from './signed-data.js'
import { removeUnsignedAttribute, withUnsignedAttributes } from './unsigned-attributes.js'

const first = makeIdentity()
const second = makeIdentity({ name: 'Second signer' })
const small = encodeAttribute('1.2.3', [encodeInteger(1)])
const large = encodeAttribute(OID.szOID_ARCHIVED_KEY_ATTR, [encodeOctetString(new Uint8Array(1500))])
const unsigned = forgeSignedData(first)

async function buildWithTwoSigners(): Promise<Uint8Array> {
  return buildSignedData({
    eContentType: OID.id_cct_PKIData,
    eContent: SOUND_CONTENT,
    certificates: [],
    signers: [first, second].map(({ certificate, scheme, sign }) => ({ sid: identifierOf(certificate), scheme, sign }))
  })
}

function attributesOf(message: Uint8Array): string[][] {
  return decodeSignedData(message).signerInfos.map(({ unsignedAttributes }) => unsignedAttributes.map(({ oid }) => oid))
}

describe('unsigned attributes', () => {
  it('are added without touching what is signed', () => {
    const message = withUnsignedAttributes(unsigned, 0, [large, small])
    expect(attributesOf(message)).toEqual([['1.2.3', OID.szOID_ARCHIVED_KEY_ATTR]])
    const signedData = decodeSignedData(message)
    expect(verifySignerInfo(signedData, signedData.signerInfos[0] as SignerInfo, first.publicKey).digest).toBe('sha256')
  })

  it('are added to those that are there', () => {
    expect(attributesOf(withUnsignedAttributes(withUnsignedAttributes(unsigned, 0, [large]), 0, [small]))).toEqual([
      ['1.2.3', OID.szOID_ARCHIVED_KEY_ATTR]
    ])
  })

  it('are added to one of several signers, who keep their order and signatures', async () => {
    const built = await buildWithTwoSigners()
    const before = decodeSignedData(built)
    const message = withUnsignedAttributes(built, 0, [large])
    expect(attributesOf(message)).toEqual([[OID.szOID_ARCHIVED_KEY_ATTR], []])
    const after = decodeSignedData(message)
    expect(after.signerInfos.map(({ signature }) => signature)).toEqual(
      before.signerInfos.map(({ signature }) => signature)
    )
  })

  it('are removed by type, leaving the bytes that were there before they were added', async () => {
    for (const message of [unsigned, await buildWithTwoSigners()]) {
      const added = withUnsignedAttributes(message, 0, [large])
      expect(Buffer.from(removeUnsignedAttribute(added, OID.szOID_ARCHIVED_KEY_ATTR))).toEqual(Buffer.from(message))
    }
  })

  it('are removed from every signer, all of the type and no others', async () => {
    const some = withUnsignedAttributes(await buildWithTwoSigners(), 0, [large, large, small])
    const all = withUnsignedAttributes(some, 1, [large])
    expect(attributesOf(removeUnsignedAttribute(all, OID.szOID_ARCHIVED_KEY_ATTR))).toEqual([['1.2.3'], []])
  })

  it('are left alone when there are none to add or remove', () => {
    expect(withUnsignedAttributes(unsigned, 0, [])).toBe(unsigned)
    expect(removeUnsignedAttribute(unsigned, '1.2.3')).toBe(unsigned)
  })

  it('keep content in segments as it was', () => {
    const encodedContent = Buffer.concat([
      Uint8Array.of(0x24, 0x80),
      encodeOctetString(SOUND_CONTENT),
      Uint8Array.of(0, 0)
    ])
    const message = withUnsignedAttributes(forgeSignedData(first, { encodedContent }), 0, [large])
    const signedData = decodeSignedData(message)
    expect(verifySignerInfo(signedData, signedData.signerInfos[0] as SignerInfo, first.publicKey).digest).toBe('sha256')
  })

  it('are refused for a signer that is not there', () => {
    expect(() => withUnsignedAttributes(unsigned, 1, [small])).toThrow(
      expect.objectContaining({ code: 'invalid_argument' })
    )
  })
})
