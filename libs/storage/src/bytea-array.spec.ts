import { describe, expect, it } from 'vitest'
import { encodeByteaArray } from './bytea-array.js'

describe('encodeByteaArray', () => {
  it.each<[string, readonly Uint8Array[], string]>([
    ['no members', [], '00000000 00000000 00000011'],
    [
      'members, empty ones too',
      [Buffer.from('abc'), new Uint8Array(), Buffer.from([0, 0x5c, 0x22])],
      '00000001 00000000 00000011 00000003 00000001 00000003 616263 00000000 00000003 005c22'
    ]
  ])('writes an array with %s as array_send does', (_, members, expected) => {
    expect(encodeByteaArray(members).toString('hex')).toBe(expected.replaceAll(' ', ''))
  })
})
