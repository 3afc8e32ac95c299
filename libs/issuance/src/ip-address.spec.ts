import { isIP } from 'node:net'
import { toHex } from '@app/core'
import { describe, expect, it } from 'vitest'
import { ipAddressOctets } from './ip-address.js'

describe('the octets of an IP address', () => {
  it.each([
    ['127.0.0.1', '7f000001'],
    ['255.255.255.255', 'ffffffff'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['2001:db8::ff00:42:8329', '20010db8000000000000ff0000428329'],
    ['2001:DB8:0:0:8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221']
  ])('of %s are %s', (text, hex) => {
    expect(isIP(text)).not.toBe(0)
    expect(toHex(ipAddressOctets(text))).toBe(hex)
  })

  it.each([
    '',
    'localhost',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ' 1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    '1.2.3.4::',
    'fe80::1%eth0',
    'g::1'
  ])('are not had of %j', text => {
    expect(isIP(text) === 0 || text.includes('%')).toBe(true)
    expect(() => ipAddressOctets(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })
})
