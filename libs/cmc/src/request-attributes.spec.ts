import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import {
  decodeRegistrationInfo,
  encodeRegistrationInfo,
  findRequestAttribute,
  findRequestAttributes,
  formatRequestAttributes,
  parseRequestAttributes
} from './request-attributes.js'

describe('a request attribute string', () => {
  it.each([
    ['CertificateTemplate:User', [{ name: 'CertificateTemplate', value: 'User' }]],
    ['Certificate Template :  User Two ', [{ name: 'CertificateTemplate', value: 'User Two' }]],
    ['certificate-template:User', [{ name: 'certificatetemplate', value: 'User' }]],
    ['a:1\r\nb:2\nc:3', ['a', 'b', 'c'].map((name, index) => ({ name, value: String(index + 1) }))],
    ['SAN:dns=a.example&email=b@example', [{ name: 'SAN', value: 'dns=a.example&email=b@example' }]],
    ['url:https://a.example:8443/', [{ name: 'url', value: 'https://a.example:8443/' }]],
    ['no colon\n:no name\n\n -:x', []],
    ['empty:', [{ name: 'empty', value: '' }]],
    ['a:1\0', [{ name: 'a', value: '1' }]]
  ])('%j is read as %j', (text, attributes) => {
    expect(parseRequestAttributes(text)).toEqual(attributes)
  })

  it('is refused above 1536 characters', () => {
    expect(codeOf(() => parseRequestAttributes(`a:${'x'.repeat(1535)}`))).toBe('invalid_argument')
  })

  it('is found by name in any case, with blanks and hyphens ignored', () => {
    const attributes = parseRequestAttributes('CertificateTemplate:A\ncertificate-TEMPLATE:B')
    expect(findRequestAttribute(attributes, 'Certificate Template')).toBe('A')
    expect(findRequestAttributes(attributes, 'certificatetemplate')).toEqual(['A', 'B'])
    expect(findRequestAttribute(attributes, 'rmd')).toBeUndefined()
  })

  it('is written so that it reads back the same', () => {
    const attributes = [
      { name: 'CertificateTemplate', value: 'User' },
      { name: 'rmd', value: 'host:1' }
    ]
    expect(parseRequestAttributes(formatRequestAttributes(attributes))).toEqual(attributes)
  })

  it.each([
    { name: 'a', value: '1\nCertificateTemplate:Admin' },
    { name: 'a:b', value: '1' }
  ])('is not written when %j would become another attribute', attribute => {
    expect(codeOf(() => formatRequestAttributes([attribute]))).toBe('invalid_argument')
  })
})

describe('registration information', () => {
  it('is percent-encoded with an ampersand after each pair, as Windows writes it', () => {
    const encoded = encodeRegistrationInfo([{ name: 'RequesterName', value: 'Domain\\TargetUser' }])
    expect(Buffer.from(encoded).toString('utf8')).toBe('RequesterName=Domain%5CTargetUser&')
  })

  it('reads back the same, whatever the values hold', () => {
    const attributes = [
      { name: 'a', value: '1 & 2 = 3 % 4' },
      { name: 'b', value: "Grüße!'()*" }
    ]
    expect(decodeRegistrationInfo(encodeRegistrationInfo(attributes))).toEqual(attributes)
  })

  it('ignores pairs without an equals sign', () => {
    expect(decodeRegistrationInfo(Buffer.from('nothing&a=1&=2&'))).toEqual([{ name: 'a', value: '1' }])
  })

  it.each([[Buffer.from('a=%zz&')], [Buffer.from('a=%ff&')], [Buffer.of(0x61, 0x3d, 0xff)]])(
    '%j is refused instead of guessed at',
    octets => {
      expect(codeOf(() => decodeRegistrationInfo(octets))).toBe('cmc_structure')
    }
  )
})
