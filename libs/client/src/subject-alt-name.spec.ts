import { describe, expect, it } from 'vitest'
import { toHex } from '@app/core'
import { findUserPrincipalName, formatName } from '@app/x509'
import { parseSubjectAltName } from './subject-alt-name.js'

function addressOf(text: string): string {
  const name = parseSubjectAltName(text)
  return name.kind === 'iPAddress' ? toHex(name.address) : name.kind
}

describe('an alternative name', () => {
  it.each([
    ['dns:host.example.org', { kind: 'dNSName', value: 'host.example.org' }],
    ['EMail: a@example.org ', { kind: 'rfc822Name', value: 'a@example.org' }],
    ['uri:https://example.org/a:b', { kind: 'uri', value: 'https://example.org/a:b' }]
  ])('is read from %s', (text, name) => {
    expect(parseSubjectAltName(text)).toEqual(name)
  })

  it('is read from a user principal name and from a directory name', () => {
    expect(findUserPrincipalName(parseSubjectAltName('upn:anna@example.org'))).toBe('anna@example.org')
    const name = parseSubjectAltName('dn:CN=Anna,C=DE')
    expect(name.kind === 'directoryName' ? formatName(name.name) : name.kind).toBe('CN=Anna,C=DE')
  })

  it.each([
    ['ip:192.0.2.1', 'c0000201'],
    ['ip:::', '0'.repeat(32)],
    ['ip:::1', `${'0'.repeat(31)}1`],
    ['ip:2001:db8::1:0', '20010db8000000000000000000010000'],
    ['ip:fe80::', `fe80${'0'.repeat(28)}`],
    ['ip:1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['ip:::ffff:192.0.2.1', `${'0'.repeat(20)}ffffc0000201`]
  ])('is read from the address %s', (text, octets) => {
    expect(addressOf(text)).toBe(octets)
  })

  it.each(['', 'host.example.org', 'dns:', 'name:x', 'ip:host', 'ip:192.0.2.256', 'ip:fe80::1%eth0'])(
    'is not read from "%s"',
    text => {
      expect(() => parseSubjectAltName(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error)
    }
  )
})
