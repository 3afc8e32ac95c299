import { describe, expect, it } from 'vitest'
import { DerReader, decodeDerPemOrBase64 } from '@app/der'
import {
  decodeAlgorithmIdentifier,
  decodeCertificate,
  decodePublicKey,
  encodeSignatureAlgorithm,
  verifySignature,
  type SignatureScheme
} from '@app/x509'
import { codeOf } from '../helpers/x509-samples.js'
import { readVector } from '../helpers/vectors.js'

interface SignatureGroup {
  readonly publicKeyDer: string
  readonly tests: readonly {
    readonly tcId: number
    readonly msg: string
    readonly sig: string
    readonly result: 'valid' | 'invalid' | 'acceptable'
  }[]
}

interface LimboCase {
  readonly id: string
  readonly expected_result: 'SUCCESS' | 'FAILURE'
  readonly trusted_certs: readonly string[]
  readonly untrusted_intermediates: readonly string[]
  readonly peer_certificate: string
}

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex')
const parse = <T>(name: string): T => JSON.parse(readVector(name).toString('utf8')) as T

describe('signatures of Wycheproof', () => {
  const files: readonly [string, SignatureScheme, number][] = [
    ['wycheproof/ecdsa_secp256r1_sha256_test.json', 'ecdsa-sha256', 400],
    ['wycheproof/rsa_signature_2048_sha256_test.json', 'rsa-sha256', 200]
  ]
  it.each(files)('in %s verify exactly when they are valid', (file, scheme, least) => {
    const { testGroups } = parse<{ readonly testGroups: readonly SignatureGroup[] }>(file)
    const signatureAlgorithm = decodeAlgorithmIdentifier(DerReader.over(encodeSignatureAlgorithm(scheme)), 'algorithm')
    const cases = testGroups.flatMap(({ publicKeyDer, tests }) => {
      const publicKey = decodePublicKey(hex(publicKeyDer))
      return tests.map(({ tcId, msg, sig, result }) => {
        const { valid } = verifySignature({ publicKey, signatureAlgorithm, data: hex(msg), signature: hex(sig) })
        return { tcId, valid, expected: result === 'valid' }
      })
    })
    expect(cases.length).toBeGreaterThan(least)
    expect(cases.filter(({ valid, expected }) => valid !== expected)).toEqual([])
  })
})

describe('certificates of x509-limbo', () => {
  const testcases = parse<readonly LimboCase[]>('x509-limbo/limbo.json')
  const readAll = (limbo: LimboCase): (string | undefined)[] =>
    [limbo.peer_certificate, ...limbo.trusted_certs, ...limbo.untrusted_intermediates].map(pem =>
      codeOf(() => decodeCertificate(decodeDerPemOrBase64(Buffer.from(pem))))
    )

  it('are all read in the cases where the path is valid', () => {
    const valid = testcases.filter(limbo => limbo.expected_result === 'SUCCESS')
    expect(valid.length).toBeGreaterThan(20)
    expect(valid.filter(limbo => readAll(limbo).some(code => code !== undefined)).map(({ id }) => id)).toEqual([])
  })

  const malformed: readonly [string, string][] = [
    ['rfc5280::duplicate-extensions', 'x509_structure'],
    ['rfc5280::ca-empty-subject', 'x509_structure'],
    ['rfc5280::mismatching-signature-algorithm', 'x509_structure'],
    ['rfc5280::serial::too-long', 'x509_structure'],
    ['webpki::explicit-curve', 'public_key_unsupported'],
    ['webpki::forbidden-dsa-leaf', 'public_key_unsupported'],
    ['webpki::forbidden-p192-leaf', 'public_key_unsupported']
  ]
  it.each(malformed)('of the case %s are refused with %s', (id, code) => {
    const limbo = testcases.find(candidate => candidate.id === id)
    expect(limbo === undefined ? [] : readAll(limbo)).toContain(code)
  })
})
