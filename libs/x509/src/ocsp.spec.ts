import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '@app/core'
import {
  encodeBitString,
  encodeContext,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv
} from '@app/der'
import { OID } from '@app/oid'
import { codeOf, mutationsOf, nameOf, sampleKey, signSample } from '../../../test/helpers/x509-samples.js'
import {
  decodeName,
  decodeOcspRequest,
  decodeOcspResponse,
  encodeAlgorithmIdentifier,
  encodeExtensions,
  encodeOcspCertId,
  encodeOcspError,
  encodeOcspRequest,
  encodeOcspResponse,
  encodeOcspResponseData,
  isOfIssuer,
  OCSP_STATUSES,
  ocspIssuerOf,
  ocspNonceExtension,
  verifySignature,
  type DigestName,
  type OcspResponder
} from './index.js'
import { DerReader } from '@app/der'

const key = sampleKey('P-256')
const issuer = { subject: decodeName(DerReader.over(nameOf('CN=Sample CA')), 'name'), publicKey: key.publicKey }
const digests: readonly DigestName[] = ['sha1', 'sha256', 'sha384', 'sha512']
const certId = (serial: Uint8Array, digest: DigestName = 'sha1') =>
  encodeOcspCertId(digest, ocspIssuerOf(issuer, digest), serial)
const serial = Buffer.from('00ff01', 'hex')
const request = encodeSequence(certId(serial))

describe('an OCSP request', () => {
  it.each(digests)('names certificates by %s hash values of the issuer', digest => {
    const serials = [serial, Buffer.of(1), randomBytes(20).fill(0x7f, 0, 1)]
    const read = decodeOcspRequest(encodeOcspRequest(serials.map(one => certId(one, digest))))
    expect(read.certIds.map(({ serialNumber }) => toHex(serialNumber))).toEqual(serials.map(toHex))
    expect(read.certIds.every(one => one.digest === digest && isOfIssuer(one, ocspIssuerOf(issuer, digest)))).toBe(true)
    const other = { ...issuer, publicKey: sampleKey('P-384').publicKey }
    expect(read.certIds.some(one => isOfIssuer(one, ocspIssuerOf(other, digest)))).toBe(false)
    expect(read.nonce).toBeUndefined()
  })

  it('names the key of its issuer by the SHA-1 that certificates identify it by', () => {
    expect(toHex(ocspIssuerOf(issuer, 'sha1').keyHash)).toBe(toHex(key.publicKey.keyId))
  })

  it.each([1, 16, 32, 128])('has a nonce of %i octets', octets => {
    const nonce = randomBytes(octets)
    expect(toHex(decodeOcspRequest(encodeOcspRequest([certId(serial)], nonce)).nonce ?? Buffer.alloc(0))).toBe(
      toHex(nonce)
    )
  })

  it('may name its sender and be signed, and have extensions that are not known', () => {
    const extensions = encodeExtensions([{ oid: '1.2.3', critical: false, value: encodeNull() }])
    const single = encodeSequence(certId(serial), encodeContext(0, extensions))
    const name = encodeContext(1, encodeContext(4, nameOf('CN=Somebody')))
    const tbs = encodeSequence(name, encodeSequence(single), encodeContext(2, extensions))
    const algorithm = encodeAlgorithmIdentifier(OID.ecdsa_with_SHA256)
    const certificates = encodeContext(0, encodeSequence(encodeSequence()))
    const signature = encodeSequence(algorithm, encodeBitString(signSample(key, tbs)), certificates)
    expect(decodeOcspRequest(encodeSequence(tbs, encodeContext(0, signature))).certIds).toHaveLength(1)
  })

  it('may ask for a hash function that is not computed here', () => {
    const strange = encodeSequence(
      encodeAlgorithmIdentifier('1.2.3.4'),
      encodeOctetString(randomBytes(20)),
      encodeOctetString(randomBytes(20)),
      encodeInteger(5)
    )
    expect(decodeOcspRequest(encodeOcspRequest([strange])).certIds[0]?.digest).toBeUndefined()
  })

  const withExtensions = (...extensions: Parameters<typeof encodeExtensions>[0]) =>
    encodeSequence(encodeSequence(encodeSequence(request), encodeContext(2, encodeExtensions(extensions))))
  const critical = { oid: '1.2.3', critical: true, value: encodeNull() }
  const refused: readonly [string, Uint8Array, string][] = [
    ['for no certificate', encodeOcspRequest([]), 'x509_structure'],
    ['for 33 certificates', encodeOcspRequest(Array.from({ length: 33 }, () => certId(serial))), 'x509_structure'],
    ['with a critical extension that is not known', withExtensions(critical), 'x509_structure'],
    [
      'with a critical extension of one certificate',
      encodeSequence(
        encodeSequence(encodeSequence(encodeSequence(certId(serial), encodeContext(0, encodeExtensions([critical])))))
      ),
      'x509_structure'
    ],
    ['with an empty nonce', withExtensions(ocspNonceExtension(Buffer.alloc(0))), 'x509_structure'],
    ['with a nonce of 129 octets', withExtensions(ocspNonceExtension(randomBytes(129))), 'x509_structure'],
    [
      'with a bare nonce',
      withExtensions({ oid: OID.id_pkix_ocsp_nonce, critical: false, value: Buffer.of(1, 2, 3, 4) }),
      'der_tag_unexpected'
    ],
    [
      'that states its version',
      encodeSequence(encodeSequence(encodeContext(0, encodeInteger(0)), encodeSequence(request))),
      'x509_structure'
    ],
    ['with a serial number of 21 octets', encodeOcspRequest([certId(randomBytes(21).fill(1, 0, 1))]), 'x509_structure'],
    [
      'with an empty list of extensions',
      encodeSequence(encodeSequence(encodeSequence(request), encodeContext(2, encodeSequence()))),
      'x509_structure'
    ],
    ['with bytes after it', Buffer.concat([encodeOcspRequest([certId(serial)]), encodeNull()]), 'der_trailing_bytes'],
    ['of more than 8 KiB', Buffer.concat([encodeOcspRequest([certId(serial)]), Buffer.alloc(8192)]), 'der_too_large'],
    ['of nothing', Buffer.alloc(0), 'der_tag_unexpected']
  ]
  it.each(refused)('%s is refused', (_case, bytes, code) => {
    expect(codeOf(() => decodeOcspRequest(bytes))).toBe(code)
  })

  it('that is damaged throws nothing but the program’s own error', () => {
    const bytes = encodeOcspRequest([certId(serial), certId(Buffer.of(5), 'sha256')], randomBytes(32))
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        // What is no error of the program's own is thrown on.
        expect(codeOf(() => decodeOcspRequest(mutated)) ?? 'read').toMatch(/^(?:read|der_|x509_)/)
      }),
      { numRuns: 1000 }
    )
  })
})

const producedAt = new Date('2026-11-21T12:00:00Z')
const nextUpdate = new Date('2026-11-21T13:00:00Z')
const revokedAt = new Date('2026-11-20T01:02:03Z')

function respond(responder: OcspResponder, nonce?: Uint8Array): Uint8Array {
  const times = { thisUpdate: producedAt, nextUpdate }
  const data = encodeOcspResponseData({
    responder,
    producedAt,
    responses: [
      { certId: certId(Buffer.of(1)), status: { kind: 'good' }, ...times },
      { certId: certId(Buffer.of(2), 'sha256'), status: { kind: 'unknown' }, ...times },
      { certId: certId(Buffer.of(3)), status: { kind: 'revoked', revokedAt, reason: 'keyCompromise' }, ...times },
      { certId: certId(Buffer.of(4)), status: { kind: 'revoked', revokedAt, reason: 'unspecified' }, ...times }
    ],
    ...(nonce === undefined ? {} : { nonce })
  })
  return encodeOcspResponse(data, key.scheme, signSample(key, data), [nameOf('CN=stands for a certificate')])
}

describe('an OCSP response', () => {
  const responders: readonly [string, OcspResponder][] = [
    ['key', { keyId: key.publicKey.keyId }],
    ['name', { name: nameOf('CN=Responder') }]
  ]
  it.each(responders)('of a responder by its %s is read and verified as it was built', (_case, responder) => {
    const nonce = randomBytes(32)
    const read = decodeOcspResponse(respond(responder, nonce))
    if (read.status !== 'successful') throw new Error(read.status)
    const { basic } = read
    expect(basic).toMatchObject({ responder, producedAt, nonce })
    expect(basic.certificates).toHaveLength(1)
    expect(basic.responses.map(({ status }) => status)).toEqual([
      { kind: 'good' },
      { kind: 'unknown' },
      { kind: 'revoked', revokedAt, reason: 'keyCompromise' },
      { kind: 'revoked', revokedAt }
    ])
    expect(basic.responses.every(one => one.nextUpdate?.getTime() === nextUpdate.getTime())).toBe(true)
    const { signatureAlgorithm, signature, responseData: data } = basic
    expect(verifySignature({ publicKey: key.publicKey, signatureAlgorithm, signature, data }).valid).toBe(true)
  })

  it.each(['malformedRequest', 'internalError', 'tryLater', 'sigRequired', 'unauthorized'] as const)(
    'may be the error %s',
    status => {
      const bytes = encodeOcspError(status)
      expect(toHex(bytes)).toBe(`30030a010${OCSP_STATUSES[status]}`)
      expect(decodeOcspResponse(bytes)).toEqual({ status })
    }
  )

  it('of another type, or with a status that its content contradicts, is refused', () => {
    const ok = encodeTlv(0x0a, Buffer.of(0))
    const other = encodeSequence(encodeOid('1.2.3'), encodeOctetString(Buffer.of(5)))
    for (const bytes of [
      encodeSequence(ok),
      encodeSequence(ok, encodeContext(0, other)),
      encodeSequence(encodeTlv(0x0a, Buffer.of(4))),
      encodeSequence(encodeTlv(0x0a, Buffer.of(1)), encodeContext(0, other))
    ]) {
      expect(codeOf(() => decodeOcspResponse(bytes))).toBe('x509_structure')
    }
  })

  it('that is damaged throws nothing but the program’s own error and never verifies', () => {
    const bytes = respond({ keyId: key.publicKey.keyId }, randomBytes(16))
    const whole = decodeOcspResponse(bytes)
    if (whole.status !== 'successful') throw new Error(whole.status)
    const data = toHex(whole.basic.responseData)
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        let isValid = false
        codeOf(() => {
          const read = decodeOcspResponse(mutated)
          if (read.status !== 'successful') return
          const { signatureAlgorithm, signature, responseData } = read.basic
          const { publicKey } = key
          isValid =
            verifySignature({ publicKey, signatureAlgorithm, signature, data: responseData }).valid &&
            toHex(responseData) !== data
        })
        expect(isValid).toBe(false)
      }),
      { numRuns: 500 }
    )
  })
})
