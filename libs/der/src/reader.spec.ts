import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, type ErrorCode } from '@app/core'
import {
  DerReader,
  TAG,
  encodeInteger,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeTlv
} from './index.js'

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) as Uint8Array

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error.code
    throw error
  }
}

describe('what the reader refuses', () => {
  const cases: readonly [string, string, (reader: DerReader) => unknown, ErrorCode][] = [
    ['bytes after the end', '0500 00', reader => (reader.null('x'), reader.end('x')), 'der_trailing_bytes'],
    ['an empty message', '', reader => reader.any('x'), 'der_truncated'],
    ['a length without its octets', '30 82 01', reader => reader.any('x'), 'der_truncated'],
    ['content that ends early', '04 05 00', reader => reader.any('x'), 'der_truncated'],
    ['a length of 4 GiB', '04 84 ffffffff', reader => reader.any('x'), 'der_truncated'],
    ['a length of five octets', '04 85 0000000001 00', reader => reader.any('x'), 'der_too_large'],
    ['a long form where the short one does', '04 81 01 00', reader => reader.any('x'), 'der_length_not_minimal'],
    [
      'a leading zero in the length',
      `04 82 0080 ${'00'.repeat(128)}`,
      reader => reader.any('x'),
      'der_length_not_minimal'
    ],
    ['an indefinite length', '30 80 0000', reader => reader.sequence('x'), 'der_length_indefinite'],
    ['another element', '0500', reader => reader.sequence('x'), 'der_tag_unexpected'],
    ['a tag number above 30', '1f 1f 00', reader => reader.any('x'), 'der_tag_unexpected'],
    ['an integer with a superfluous zero', '02 02 0001', reader => reader.integer('x'), 'der_integer_not_minimal'],
    ['an integer with a superfluous ff', '02 02 ff80', reader => reader.integer('x'), 'der_integer_not_minimal'],
    [
      'a serial number with a superfluous zero',
      '02 03 000102',
      reader => reader.integerContent('x'),
      'der_integer_not_minimal'
    ],
    ['an integer without content', '02 00', reader => reader.integer('x'), 'der_value_invalid'],
    ['a small integer that is negative', '02 01 ff', reader => reader.smallInteger('x'), 'der_value_invalid'],
    ['a small integer that is large', '02 05 0100000000', reader => reader.smallInteger('x'), 'der_value_invalid'],
    ['a boolean that is neither 00 nor ff', '01 01 01', reader => reader.boolean('x'), 'der_value_invalid'],
    ['a NULL with content', '05 01 00', reader => reader.null('x'), 'der_value_invalid'],
    ['an identifier that ends inside an arc', '06 01 86', reader => reader.oid('x'), 'der_value_invalid'],
    ['an identifier with a padded arc', '06 03 2a8001', reader => reader.oid('x'), 'der_value_invalid'],
    ['unused bits that are set', '03 02 0401', reader => reader.bitString('x'), 'der_value_invalid'],
    ['a BIT STRING without its first octet', '03 00', reader => reader.bitString('x'), 'der_value_invalid'],
    ['overlong UTF-8', '0c 02 c080', reader => reader.string('x'), 'der_value_invalid'],
    ['half a BMP character', '1e 01 00', reader => reader.string('x'), 'der_value_invalid'],
    ['a surrogate in a BMPString', '1e 02 d800', reader => reader.string('x'), 'der_value_invalid'],
    ['a control character in a PrintableString', '13 01 07', reader => reader.string('x'), 'der_value_invalid'],
    ['a time without seconds', '17 0b 323630313031303030305a', reader => reader.time('x'), 'der_value_invalid'],
    ['the 31st of February', '17 0d 3236303233313030303030305a', reader => reader.time('x'), 'der_value_invalid'],
    ['a SET OF out of order', '31 06 020102 020101', reader => reader.setOf('x'), 'der_set_order']
  ]

  it.each(cases)('%s', (_name, bytes, read, code) => {
    expect(codeOf(() => read(DerReader.over(hex(bytes))))).toBe(code)
  })

  it('nesting deeper than the limit', () => {
    let bomb: Uint8Array = encodeSequence()
    for (let i = 0; i < 30; i++) bomb = encodeSequence(bomb)
    const descend = (reader: DerReader): void => {
      if (!reader.isEnd) descend(reader.sequence('level'))
    }
    expect(codeOf(() => descend(DerReader.over(bomb)))).toBe('der_too_deep')
  })

  it('more elements than the limit', () => {
    const wide = encodeSequence(...Array.from({ length: 500 }, () => hex('0500')))
    const limits = { maxDepth: 5, maxBytes: 10_000, maxElements: 100 }
    expect(
      codeOf(() =>
        DerReader.over(wide, limits)
          .sequence('wide')
          .each(reader => reader.any('member'))
      )
    ).toBe('der_too_large')
  })

  it('more bytes than the limit', () => {
    expect(codeOf(() => DerReader.over(new Uint8Array(11), { maxDepth: 5, maxBytes: 10, maxElements: 5 }))).toBe(
      'der_too_large'
    )
  })
})

describe('BER octet strings, where they are allowed', () => {
  it.each([
    ['primitive', '04 03 010203'],
    ['constructed, definite', '24 07 0401 01 0402 0203'],
    ['constructed, indefinite', '24 80 0402 0102 0401 03 0000'],
    ['nested', '24 80 2480 0401 01 0000 2404 0402 0203 0000']
  ])('%s', (_name, bytes) => {
    const reader = DerReader.over(hex(bytes))
    expect(reader.berOctetString(TAG.octetString, 'content')).toEqual(Buffer.from([1, 2, 3]))
    reader.end('content')
  })

  it.each([
    ['without an end', '24 80 0401 01', 'der_tag_unexpected'],
    ['with a segment of another type', '24 03 0201 01', 'der_tag_unexpected'],
    ['with a segment past its end', '24 03 0402 0102', 'der_truncated']
  ] as const)('refused %s', (_name, bytes, code) => {
    expect(codeOf(() => DerReader.over(hex(bytes)).berOctetString(TAG.octetString, 'content'))).toBe(code)
  })
})

describe('what is written is read back', () => {
  it('integers of either sign', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 200n), max: 1n << 200n }), value => {
        expect(DerReader.over(encodeInteger(value)).integer('value')).toBe(value)
      })
    )
  })

  it('object identifiers', () => {
    const arcs = fc.tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 39 }),
      fc.array(fc.integer({ min: 0, max: 0x7fffffff }), { maxLength: 8 })
    )
    fc.assert(
      fc.property(arcs, ([root, second, rest]) => {
        const dotted = [root, second, ...rest].join('.')
        expect(DerReader.over(encodeOid(dotted)).oid('id')).toBe(dotted)
      })
    )
  })

  it('times to the second, before and after 2050', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11) / 1000 }), seconds => {
        const date = new Date(seconds * 1000)
        expect(DerReader.over(encodeTime(date)).time('time')).toEqual(date)
      })
    )
  })

  it('sets in ascending order, whatever the order given', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), contents => {
        const set = encodeSetOf(contents.map(content => encodeTlv(TAG.octetString, content)))
        expect(
          DerReader.over(set)
            .setOf('set')
            .each(reader => reader.octetString('member'))
        ).toHaveLength(contents.length)
      })
    )
  })
})

describe('strangers’ bytes', () => {
  const walk = (reader: DerReader): void => {
    while (!reader.isEnd) {
      if (((reader.nextTag >> 5) & 1) === 1) walk(reader.enter(reader.nextTag, 'constructed'))
      else reader.any('primitive')
    }
  }

  it('throw nothing but the program’s own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(() => codeOf(() => walk(DerReader.over(bytes)))).not.toThrow()
      }),
      { numRuns: 2000 }
    )
  })
})

describe('the element a reader stands in', () => {
  it('is the whole element as received, wherever it stands', () => {
    const inner = encodeSequence(encodeInteger(7))
    const message = encodeSequence(encodeInteger(1), inner, encodeInteger(2))
    const reader = DerReader.over(message)
    expect(reader.raw).toEqual(message)
    const outer = reader.sequence('outer')
    outer.integer('one')
    const entered = outer.sequence('inner')
    entered.integer('seven')
    expect(Buffer.from(entered.raw)).toEqual(Buffer.from(inner))
    expect(Buffer.from(outer.raw)).toEqual(Buffer.from(message))
  })
})
