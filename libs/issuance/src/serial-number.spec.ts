import { randomBytes } from 'node:crypto'
import { DerReader, encodeTlv, TAG } from '@app/der'
import { describe, expect, it } from 'vitest'
import { newSerialNumber } from './index.js'

const filledWith = (octet: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(octet) })

describe('a new serial number', () => {
  it.each([0x00, 0x7f, 0x80, 0xff])(
    'is a positive, minimal INTEGER of 19 octets whatever the source gives (%i)',
    octet => {
      const serial = newSerialNumber(filledWith(octet))
      expect(serial).toHaveLength(19)
      const value = DerReader.over(encodeTlv(TAG.integer, serial)).integer('serial')
      expect(value > 1n << 149n).toBe(true)
      expect(value < 1n << 151n).toBe(true)
    }
  )

  it('keeps every random bit but the two that make it positive and of one length', () => {
    const seen = { ones: new Uint8Array(19), zeros: new Uint8Array(19).fill(0xff) }
    for (let i = 0; i < 200; i++) {
      const serial = newSerialNumber({ bytes: randomBytes })
      for (let at = 0; at < 19; at++) {
        seen.ones[at]! |= serial[at]!
        seen.zeros[at]! &= serial[at]!
      }
    }
    expect([...seen.ones]).toEqual([0x7f, ...Array<number>(18).fill(0xff)])
    expect([...seen.zeros]).toEqual([0x40, ...Array<number>(18).fill(0x00)])
  })

  it('does not write into what the source gave', () => {
    const source = new Uint8Array(19).fill(0xff)
    newSerialNumber({ bytes: () => source })
    expect(source[0]).toBe(0xff)
  })
})
