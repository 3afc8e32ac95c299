import { createHmac, hash } from 'node:crypto'
import { DerReader, encodeInteger, encodeNull, encodeOctetString, encodeSequence } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import {
  buildIdentityProofV2,
  decodeSecretWitness,
  verifyIdentityProofV2,
  type SecretWitness
} from './identity-proof.js'

const covered = encodeSequence(encodeInteger(1))
const secret = Buffer.from('sixteen or more characters')

function decode(value: Uint8Array): SecretWitness {
  return decodeSecretWitness(DerReader.over(value), 'IdentityProofV2')
}

describe('an identity proof', () => {
  it.each(['sha256', 'sha384', 'sha512'] as const)('with %s verifies with the secret it was made with', digest => {
    const proof = decode(buildIdentityProofV2(covered, { secret }, digest))
    expect(codeOf(() => verifyIdentityProofV2(covered, proof, { secret }))).toBeUndefined()
  })

  it('is HMAC over the reqSequence under the hash of the secret', () => {
    const { witness } = decode(buildIdentityProofV2(covered, { secret }))
    const expected = createHmac('sha256', hash('sha256', secret, 'buffer'))
      .update(covered)
      .digest()
    expect(Buffer.from(witness)).toEqual(expected)
  })

  it('has the identification in its key when there is one', () => {
    const proof = decode(buildIdentityProofV2(covered, { secret, identification: 'Jörg' }))
    const key = hash('sha256', Buffer.concat([secret, Buffer.from('Jörg', 'utf8')]), 'buffer')
    expect(Buffer.from(proof.witness)).toEqual(createHmac('sha256', key).update(covered).digest())
    expect(codeOf(() => verifyIdentityProofV2(covered, proof, { secret, identification: 'Jörg' }))).toBeUndefined()
    expect(codeOf(() => verifyIdentityProofV2(covered, proof, { secret }))).toBe('identity_proof_invalid')
  })

  it('keeps the secret of its caller', () => {
    const copy = Buffer.from(secret)
    buildIdentityProofV2(covered, { secret })
    expect(secret).toEqual(copy)
  })

  it('fails with another secret, for other bytes and when its witness is cut', () => {
    const proof = decode(buildIdentityProofV2(covered, { secret }))
    const cut = { ...proof, witness: proof.witness.subarray(1) }
    const empty = { ...proof, witness: new Uint8Array() }
    expect(codeOf(() => verifyIdentityProofV2(covered, proof, { secret: Buffer.from('other') }))).toBe(
      'identity_proof_invalid'
    )
    expect(codeOf(() => verifyIdentityProofV2(encodeInteger(1), proof, { secret }))).toBe('identity_proof_invalid')
    expect(codeOf(() => verifyIdentityProofV2(covered, cut, { secret }))).toBe('identity_proof_invalid')
    expect(codeOf(() => verifyIdentityProofV2(covered, empty, { secret }))).toBe('identity_proof_invalid')
  })

  it.each([
    ['SHA-1 as key hash', OID.id_sha1, OID.id_hmacWithSHA256],
    ['HMAC-SHA-1', OID.id_sha256, OID.id_hmacWithSHA1],
    ['no MAC at all', OID.id_sha256, OID.id_sha256]
  ])('with %s is refused even when it is right', (_what, keyAlgorithm, macAlgorithm) => {
    const value = encodeSequence(
      encodeAlgorithmIdentifier(keyAlgorithm),
      encodeAlgorithmIdentifier(macAlgorithm, encodeNull()),
      encodeOctetString(
        createHmac('sha1', hash('sha256', secret, 'buffer'))
          .update(covered)
          .digest()
      )
    )
    expect(codeOf(() => verifyIdentityProofV2(covered, decode(value), { secret }))).toBe('identity_proof_invalid')
  })
})
