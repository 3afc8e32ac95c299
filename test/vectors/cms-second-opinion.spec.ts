import { webcrypto } from 'node:crypto'
import { decodeSignedData, verifySignerInfo } from '@app/cms'
import { OID } from '@app/oid'
import { fromBER } from 'asn1js'
import { ContentInfo, CryptoEngine, SignedData } from 'pkijs'
import { describe, expect, it } from 'vitest'
import {
  contentTypeAttribute,
  digestOf,
  forgeSignedData,
  makeRsaIdentity,
  messageDigestAttribute,
  SOUND_CONTENT,
  type Forgery
} from '../helpers/cms-messages.js'
import { codeOf } from '../helpers/x509-samples.js'

const signer = makeRsaIdentity()
const engine = new CryptoEngine({ name: 'node', crypto: webcrypto })
const contentType = contentTypeAttribute(OID.id_cct_PKIData)
const digest = digestOf('sha256', SOUND_CONTENT)

async function pkijsAccepts(message: Uint8Array): Promise<boolean> {
  const parsed = fromBER(Uint8Array.from(message).buffer)
  const signedData = new SignedData({ schema: new ContentInfo({ schema: parsed.result }).content })
  return signedData.verify({ signer: 0, checkChain: false }, engine)
}

function verify(message: Uint8Array): void {
  const signedData = decodeSignedData(message)
  for (const signerInfo of signedData.signerInfos) verifySignerInfo(signedData, signerInfo, signer.publicKey)
}

describe('PKI.js as a second opinion', () => {
  it('agrees on a sound message and on one with a wrong signature', async () => {
    const sound = forgeSignedData(signer)
    expect(await pkijsAccepts(sound)).toBe(true)
    expect(codeOf(() => verify(sound))).toBeUndefined()
    const unsound = forgeSignedData(signer, { sign: () => new Uint8Array(256) })
    expect(await pkijsAccepts(unsound)).toBe(false)
    expect(codeOf(() => verify(unsound))).toBe('cms_signature_invalid')
  })

  it.each([
    [
      'a content-type attribute that names other content',
      'cms_content_type_mismatch',
      { attributes: [contentTypeAttribute(OID.id_data), messageDigestAttribute(digest)] }
    ],
    ['PKIData without signed attributes', 'cms_signed_attributes_missing', { attributes: null }],
    [
      'a second value of messageDigest',
      'cms_attribute_values',
      {
        attributes: [contentType, messageDigestAttribute(digest, Buffer.alloc(32, 0xff))]
      }
    ],
    ['attributes that are not sorted', 'der_set_order', { attributes: [messageDigestAttribute(digest), contentType] }],
    ['a digest that digestAlgorithms does not list', 'cms_digest_algorithm_mismatch', { digestAlgorithms: [] }]
  ] satisfies readonly (readonly [string, string, Forgery])[])(
    'accepts what is refused here: %s (%s)',
    async (_name, code, forgery) => {
      const message = forgeSignedData(signer, forgery)
      expect(await pkijsAccepts(message)).toBe(true)
      expect(codeOf(() => verify(message))).toBe(code)
    }
  )
})
