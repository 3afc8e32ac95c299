import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '@app/core'
import { encodeBitString, encodeContext, encodeInteger, encodeNull, encodeSequence, encodeTime } from '@app/der'
import { OID } from '@app/oid'
import {
  codeOf,
  mutationsOf,
  nameOf,
  SAMPLE_KEY_KINDS,
  sampleKey,
  signSample,
  type SampleKey
} from '../../../test/helpers/x509-samples.js'
import {
  decodeCrl,
  decodeCrlNumber,
  decodeInvalidityDate,
  encodeCrl,
  encodeCrlNumber,
  encodeExtensions,
  encodeSignatureAlgorithm,
  encodeTbsCrl,
  findExtension,
  formatName,
  verifyCrlSignature,
  type TbsCrlParts
} from './index.js'

const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array
const ca = sampleKey('P-256')
const thisUpdate = new Date('2025-06-01T12:00:00Z')
const nextUpdate = new Date('2025-06-08T12:00:00Z')
const crlNumber = { oid: OID.id_ce_cRLNumber, critical: false, value: encodeCrlNumber(7n) }

const crlParts: TbsCrlParts = {
  scheme: ca.scheme,
  issuer: nameOf('CN=Sample CA'),
  thisUpdate,
  nextUpdate,
  entries: [],
  extensions: [crlNumber]
}

function buildCrl(parts: Partial<TbsCrlParts> = {}, key: SampleKey = ca): Uint8Array {
  const tbs = encodeTbsCrl({ ...crlParts, scheme: key.scheme, ...parts })
  return encodeCrl(tbs, key.scheme, signSample(key, tbs))
}

const revokedAt = new Date('2025-05-01T00:00:00Z')
const entries = [
  { serialNumber: hex('00ff'), revokedAt, reason: 'keyCompromise' },
  { serialNumber: hex('01'), revokedAt, reason: 'unspecified' },
  { serialNumber: hex('7f'.repeat(20)), revokedAt }
] as const

describe('a CRL', () => {
  it.each(SAMPLE_KEY_KINDS)('signed by a key of kind %s is read and verified as it was built', kind => {
    const key = sampleKey(kind)
    const crl = decodeCrl(buildCrl({ entries }, key))
    expect(formatName(crl.issuer)).toBe('CN=Sample CA')
    expect(crl).toMatchObject({ thisUpdate, nextUpdate })
    expect(crl.entries.map(({ serialHex, reason }) => [serialHex, reason])).toEqual([
      ['ff', 'keyCompromise'],
      ['01', undefined],
      ['7f'.repeat(20), undefined]
    ])
    expect(crl.entries.map(entry => entry.revokedAt)).toEqual([revokedAt, revokedAt, revokedAt])
    expect(decodeCrlNumber(findExtension(crl, OID.id_ce_cRLNumber)?.value ?? hex(''))).toBe(7n)
    verifyCrlSignature(crl, key.publicKey)
    expect(codeOf(() => verifyCrlSignature(crl, sampleKey(kind === 'P-384' ? 'P-256' : 'P-384').publicKey))).toBe(
      'chain_invalid'
    )
  })

  it('says since when a certificate is not to be trusted, beside the reason or alone', () => {
    const invalidityDate = new Date('2025-04-01T02:03:04Z')
    const crl = decodeCrl(
      buildCrl({
        entries: [
          { serialNumber: hex('01'), revokedAt, reason: 'keyCompromise', invalidityDate },
          { serialNumber: hex('02'), revokedAt: new Date('2055-01-01T00:00:00Z'), invalidityDate }
        ]
      })
    )
    expect(crl.entries.map(({ reason }) => reason)).toEqual(['keyCompromise', undefined])
    expect(crl.entries[1]?.revokedAt).toEqual(new Date('2055-01-01T00:00:00Z'))
    for (const one of crl.entries) {
      const { value = hex('') } = findExtension(one, OID.id_ce_invalidityDate) ?? {}
      expect(decodeInvalidityDate(value)).toEqual(invalidityDate)
    }
  })

  it('without entries has no list of them', () => {
    expect(decodeCrl(buildCrl()).entries).toEqual([])
  })

  it('of more entries than a call can have arguments is built', () => {
    const entry = { serialNumber: hex('01'), revokedAt }
    const tbs = encodeTbsCrl({ ...crlParts, entries: Array.from({ length: 130_000 }, () => entry) })
    expect(tbs.length).toBeGreaterThan(130_000 * 20)
  })

  it('with a serial number that no certificate has is not built', () => {
    expect(codeOf(() => buildCrl({ entries: [{ serialNumber: hex('00'), revokedAt }] }))).toBe('x509_structure')
  })

  interface Shape {
    readonly version?: Uint8Array
    readonly times?: readonly Uint8Array[]
    readonly list?: Uint8Array
    readonly extensions?: Uint8Array
    readonly inner?: Uint8Array
    readonly tail?: Uint8Array
  }
  const none = new Uint8Array()
  const extensions = encodeContext(0, encodeExtensions([crlNumber]))
  const entry = encodeSequence(encodeInteger(5), encodeTime(revokedAt))
  const reasonTwice = encodeSequence(encodeInteger(5), encodeTime(revokedAt), encodeExtensions([crlNumber]))

  function crlOf(shape: Shape): Uint8Array {
    const algorithm = encodeSignatureAlgorithm(ca.scheme)
    const { version = encodeInteger(1), times = [encodeTime(thisUpdate)], list = none, inner = algorithm } = shape
    const { tail = none } = shape
    const tbs = encodeSequence(version, inner, nameOf('CN=a'), ...times, list, shape.extensions ?? extensions)
    return encodeSequence(tbs, algorithm, encodeBitString(signSample(ca, tbs)), tail)
  }

  it('may lack nextUpdate, and extensions in version 1', () => {
    expect(decodeCrl(crlOf({})).nextUpdate).toBeUndefined()
    const old = decodeCrl(crlOf({ version: none, extensions: none, list: encodeSequence(entry) }))
    expect(old.entries.map(({ serialHex }) => serialHex)).toEqual(['05'])
  })

  const refused: readonly [string, Shape, string][] = [
    ['of version 3', { version: encodeInteger(2) }, 'x509_structure'],
    ['of version 1 with extensions', { version: none }, 'x509_structure'],
    [
      'of version 1 with extensions of an entry',
      { version: none, extensions: none, list: encodeSequence(reasonTwice) },
      'x509_structure'
    ],
    ['with an empty list of entries', { list: encodeSequence() }, 'x509_structure'],
    [
      'with another algorithm inside than outside',
      { inner: encodeSignatureAlgorithm('ecdsa-sha384') },
      'x509_structure'
    ],
    ['without times', { times: [] }, 'der_tag_unexpected'],
    ['with three times', { times: [thisUpdate, nextUpdate, nextUpdate].map(encodeTime) }, 'der_trailing_bytes'],
    [
      'with bytes after its extensions',
      { extensions: Buffer.concat([extensions, encodeNull()]) },
      'der_trailing_bytes'
    ],
    ['with bytes after its signature', { tail: encodeNull() }, 'der_trailing_bytes']
  ]
  it.each(refused)('%s is refused', (_case, shape, code) => {
    expect(codeOf(() => decodeCrl(crlOf(shape)))).toBe(code)
  })

  it('that is damaged throws nothing but the program’s own error and never verifies', () => {
    const bytes = buildCrl({ entries })
    const original = toHex(bytes)
    fc.assert(
      fc.property(mutationsOf(bytes), mutated => {
        const code = codeOf(() => verifyCrlSignature(decodeCrl(mutated), ca.publicKey))
        expect(code === undefined).toBe(toHex(mutated) === original)
      }),
      { numRuns: 500 }
    )
  })
})
