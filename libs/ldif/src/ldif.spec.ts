import { AppError } from '@app/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeLdif, encodeLdif, findText, isOfClass, textValuesOf, valuesOf, type LdifEntry } from './index.js'

const attributeName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,11}(;binary)?$/)
const reserved = new Set(['dn', 'changetype', 'control'])
const entry: fc.Arbitrary<LdifEntry> = fc.record({
  dn: fc.string({ minLength: 1, unit: 'grapheme' }),
  attributes: fc.uniqueArray(
    fc.record({
      name: attributeName.filter(name => !reserved.has(name.toLowerCase())),
      values: fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 120 }).map(bytes => Buffer.from(bytes)),
          fc.string({ maxLength: 200 }).map(text => Buffer.from(text, 'utf8'))
        ),
        { minLength: 1, maxLength: 4 }
      )
    }),
    { selector: ({ name }) => name.toLowerCase(), maxLength: 6 }
  )
})

function fault(file: string | Uint8Array): AppError {
  try {
    decodeLdif(file)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the file was accepted')
}

describe('LDIF', () => {
  it('gives back every entry, attribute and value that was written', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), entries => {
        const text = encodeLdif(entries)
        expect(text).toMatch(/^[\n\x20-\x7e\t\x01-\x1f\x7f]*$/)
        expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThanOrEqual(76)
        expect(decodeLdif(text)).toEqual(entries)
      })
    )
  })

  it('reads what ldifde and ldapsearch write', () => {
    const text = [
      '# extended LDIF',
      '#',
      '# a comment that is',
      '  folded: dn: x',
      'version: 1',
      '',
      'dn: CN=User,CN=Certificate Templates,DC=exam',
      ' ple,DC=org',
      'changetype: add',
      'objectClass: top',
      'objectclass: pKICertificateTemplate',
      'displayName:: TcO8bGxlcg==',
      'pKIKeyUsage:: oAA=',
      'description:',
      'cn:   User ',
      '',
      '',
      'dn:: Q049TcO8bGxlcg==',
      'sn: Müller',
      '',
      '# search result',
      'search: 2',
      'result: 0 Success',
      ''
    ].join('\r\n')
    for (const file of [
      text,
      Buffer.from(text),
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])
    ]) {
      const [user, person, ...others] = decodeLdif(file) as [LdifEntry, LdifEntry]
      expect(others).toEqual([])
      expect(user.dn).toBe('CN=User,CN=Certificate Templates,DC=example,DC=org')
      expect(textValuesOf(user, 'OBJECTCLASS')).toEqual(['top', 'pKICertificateTemplate'])
      expect(isOfClass(user, 'pkicertificatetemplate')).toBe(true)
      expect(findText(user, 'displayName')).toBe('Müller')
      expect(findText(user, 'cn')).toBe('User ')
      expect(valuesOf(user, 'pKIKeyUsage')).toEqual([Buffer.from([0xa0, 0])])
      expect(textValuesOf(user, 'description')).toEqual([''])
      expect([person.dn, findText(person, 'sn')]).toEqual(['CN=Müller', 'Müller'])
    }
  })

  it.each([
    ['another version', 'version: 2\ndn: a\n', 1],
    ['a record without a name', 'cn: a\n', 1],
    ['a continuation of nothing', '\n x\n', 2],
    ['a line without a colon', 'dn: a\ncn\n', 2],
    ['a name with a space', 'dn: a\nc n: x\n', 2],
    ['bad base64', 'dn: a\n\ndn: b\ncn:: a b=\n', 4],
    ['base64 with bits to spare', 'dn: a\ncn:: TQ=\n', 2],
    ['base64 that says the same in another way', 'dn: a\ncn:: TR==\n', 2],
    ['a value by address', 'dn: a\njpegPhoto:< file:///etc/passwd\n', 2],
    ['a modification', 'dn: a\nchangetype: modify\nreplace: cn\ncn: b\n', 2],
    ['a deletion', 'dn: a\nchangetype: delete\n', 2],
    ['a control', 'dn: a\ncontrol: 1.2.840.113556.1.4.805 true\nchangetype: delete\n', 2],
    ['two records without a blank line between', 'dn: a\ncn: a\ndn: b\n', 3],
    ['bytes that are no text', Buffer.from([0x64, 0x6e, 0x3a, 0xff]), 1]
  ])('refuses %s and says where', (_what, file, line) => {
    const error = fault(file)
    expect(error.code).toBe('ldif_invalid')
    expect(error.evidence['line']).toBe(line)
  })

  it('throws only its own error whatever it reads', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 200 }), fc.stringMatching(/^(dn|cn|version)?:{0,2}[ <a-z\n:]{0,60}$/)),
        text => {
          try {
            decodeLdif(text)
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
          }
        }
      )
    )
  })
})
