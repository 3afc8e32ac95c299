import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '@app/core'
import {
  DerReader,
  encodeBmpString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUtf8String,
  TAG
} from '@app/der'
import { OID } from '@app/oid'
import { codeOf, nameOf } from '../../../test/helpers/x509-samples.js'
import { decodeName, encodeName, formatName, isEmptyName, parseDistinguishedName, type Name } from './index.js'

function read(bytes: Uint8Array): Name {
  const reader = DerReader.over(bytes)
  const name = decodeName(reader, 'name')
  reader.end('name')
  return name
}

const attribute = (type: string, value: Uint8Array): Uint8Array => encodeSequence(encodeOid(type), value)

describe('the text of a name', () => {
  it('is read as certreq and XEnroll users write it, and encoded in reverse', () => {
    const rdns = parseDistinguishedName('CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,S=WA,C=US')
    expect(rdns.map(rdn => rdn.map(({ type, value }) => [type, value]))).toEqual([
      [[OID.id_at_countryName, 'US']],
      [[OID.id_at_stateOrProvinceName, 'WA']],
      [[OID.id_at_localityName, 'UserCity']],
      [[OID.id_at_organizationName, 'UserOrg']],
      [[OID.id_at_organizationalUnitName, 'UserUnit']],
      [[OID.id_at_commonName, 'UserName']]
    ])
    expect(toHex(encodeName(rdns))).toMatch(/^3065310b3009060355040613025553310b3009060355040[8]0c025741/)
  })

  const accepted: readonly [string, string][] = [
    ['CN=a,  OU = b ,O=c', 'CN=a,OU=b,O=c'],
    ['cn=a, s=WA, e=x@y.z', 'CN=a,ST=WA,E=x@y.z'],
    ['CN=a+SERIALNUMBER=7,C=US', 'CN=a+SERIALNUMBER=7,C=US'],
    ['CN="Sue, Grabbit and Runn"', 'CN=Sue\\, Grabbit and Runn'],
    ['CN="say ""hi"""', 'CN=say \\"hi\\"'],
    ['CN="a\\"b\\\\c"', 'CN=a\\"b\\\\c'],
    ['CN="CORP\\admin"', 'CN=CORP\\\\admin'],
    ['CN=" spaced "', 'CN=\\ spaced\\ '],
    ['CN=a\\,b\\+c\\;d\\<e\\>f\\=g\\#h\\\\i\\"', 'CN=a\\,b\\+c\\;d\\<e\\>f=g#h\\\\i\\"'],
    ['CN=\\#1', 'CN=\\#1'],
    ['CN=trailing\\ ', 'CN=trailing\\ '],
    ['CN=Lu\\C4\\8Di\\C4\\87', 'CN=Lučić'],
    ['CN=a\\0Ab', 'CN=a\\0ab'],
    ['CN=x=y', 'CN=x=y'],
    ['OID.2.5.4.3=a,2.5.4.6=US', 'CN=a,C=US'],
    ['2.5.4.13=about', '2.5.4.13=#0c0561626f7574'],
    ['CN=#0c0161', 'CN=a'],
    ['1.2.3=#0403010203', '1.2.3=#0403010203'],
    ['CN=日本語', 'CN=日本語'],
    ['\r\n  CN=a\r\n', 'CN=a'],
    ['', ''],
    ['  ', '']
  ]
  it.each(accepted)('%j means %j', (text, expected) => {
    expect(formatName(read(nameOf(text)))).toBe(expected)
  })

  const refused: readonly [string, string][] = [
    ['a semicolon as a separator', 'CN=a;C=US'],
    ['an unknown keyword', 'FOO=a'],
    ['no keyword', '=a'],
    ['no equals sign', 'CN'],
    ['an empty value', 'CN=,C=US'],
    ['an empty quoted value', 'CN=""'],
    ['a trailing comma', 'CN=a,'],
    ['two commas', 'CN=a,,C=US'],
    ['a quote inside a value', 'CN=a"b'],
    ['an open quote', 'CN="a'],
    ['text after a quoted value', 'CN="a"b'],
    ['a lone backslash', 'CN=CORP\\user'],
    ['a backslash at the end', 'CN=a\\'],
    ['octets that are not UTF-8', 'CN=\\ff'],
    ['an odd number of hexadecimal digits', 'CN=#0c016'],
    ['a number sign without digits', 'CN=#'],
    ['an object identifier that is none', '9.9=a'],
    ['text longer than any name', `CN=${'a'.repeat(5000)}`]
  ]
  it.each(refused)('with %s is refused', (_case, text) => {
    expect(codeOf(() => parseDistinguishedName(text))).toBe('invalid_argument')
  })

  it('names the position of an error', () => {
    expect(() => parseDistinguishedName('CN=a;C=US')).toThrow(/character 5: a semicolon/)
  })

  it('with a "#" value that is no element is refused', () => {
    expect(codeOf(() => parseDistinguishedName('CN=#0c0261'))).toBe('der_truncated')
    expect(codeOf(() => parseDistinguishedName('CN=#0c016100'))).toBe('der_trailing_bytes')
  })

  it('gives back what it was formatted from, for any text and any grouping', () => {
    const types = fc.constantFrom(OID.id_at_commonName, OID.id_at_organizationName, OID.id_userId, '1.2.3.4')
    const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => text.isWellFormed())
    const rdn = fc.uniqueArray(fc.record({ type: types, value }), { minLength: 1, maxLength: 3, selector: a => a.type })
    fc.assert(
      fc.property(fc.array(rdn, { maxLength: 5 }), rdns => {
        const encoded = encodeName(rdns)
        const text = formatName(read(encoded))
        expect(toHex(nameOf(text))).toBe(toHex(encoded))
        expect(text).not.toMatch(/[\x00-\x1f]/)
      })
    )
  })

  it('throws nothing but the program’s own error, whatever it is', () => {
    const piece = fc.constantFrom('CN', '=', ',', '+', '"', '\\', '#', ';', ' ', '0c', 'a', '2.5.4.3', 'é', '\ud800')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        codeOf(() => encodeName(parseDistinguishedName(pieces.join(''))))
      })
    )
    expect(codeOf(() => nameOf('CN=\ud800'))).toBe('invalid_argument')
  })
})

describe('an encoded name', () => {
  it('uses the string type that its attribute type asks for', () => {
    const name = read(nameOf('CN=a,E=b@c,DC=d,SERIALNUMBER=5,C=US'))
    expect(name.rdns.flat().map(({ value, tag }) => [value, tag])).toEqual([
      ['US', TAG.printableString],
      ['5', TAG.printableString],
      ['d', TAG.ia5String],
      ['b@c', TAG.ia5String],
      ['a', TAG.utf8String]
    ])
  })

  it('keeps the string type that is asked for, whatever it is', () => {
    const tags = [TAG.printableString, TAG.ia5String, TAG.bmpString, TAG.teletexString, TAG.universalString]
    for (const tag of tags) {
      const rdns = [[{ type: OID.id_at_commonName, value: 'Test', tag }]]
      expect(read(encodeName(rdns)).rdns).toEqual(rdns)
    }
  })

  it('keeps a value that is no text as its element', () => {
    const value = encodeTlv(TAG.bitString, Uint8Array.of(0, 0xaa))
    const encoded = encodeSequence(encodeSetOf([attribute('2.5.4.45', value)]))
    const name = read(encoded)
    expect(name.rdns[0]?.[0]).toEqual({ type: '2.5.4.45', value: '#030200aa', tag: TAG.bitString })
    expect(toHex(encodeName(name.rdns))).toBe(toHex(encoded))
    expect(formatName(name)).toBe('2.5.4.45=#030200aa')
  })

  it('is read with empty values, which are written down and never encoded', () => {
    const encoded = encodeSequence(encodeSetOf([attribute('2.5.4.11', encodeUtf8String(''))]))
    expect(formatName(read(encoded))).toBe('OU=')
    expect(codeOf(() => encodeName(read(encoded).rdns))).toBe('invalid_argument')
  })

  it('without RDNs is empty', () => {
    expect(isEmptyName(read(fromHex('3000') as Uint8Array))).toBe(true)
    expect(isEmptyName(read(nameOf('CN=a')))).toBe(false)
  })

  const unfit: readonly [string, string, number | undefined][] = [
    ['a country outside of PrintableString', 'ÖÄ', undefined],
    ['an umlaut in IA5String', 'ü', TAG.ia5String],
    ['a character outside of the basic plane in BMPString', '𝄞', TAG.bmpString],
    ['a character outside of Latin-1 in TeletexString', 'Ж', TAG.teletexString],
    ['half of a surrogate pair', '\ud800', TAG.utf8String],
    ['text where an element is announced', 'abc', TAG.bitString],
    ['an element of another tag', '#0400', TAG.bitString]
  ]
  it.each(unfit)('cannot hold %s', (_case, value, tag) => {
    const input = tag === undefined ? { type: OID.id_at_countryName, value } : { type: '2.5.4.3', value, tag }
    expect(codeOf(() => encodeName([[input]]))).toBe('invalid_argument')
  })

  it('cannot have an empty RDN or one type twice in an RDN', () => {
    expect(codeOf(() => encodeName([[]]))).toBe('invalid_argument')
    const twice = { type: OID.id_at_commonName, value: 'a' }
    expect(codeOf(() => encodeName([[twice, twice]]))).toBe('invalid_argument')
  })

  const broken: readonly [string, Uint8Array, string][] = [
    ['an empty RDN', encodeSequence(encodeSetOf([])), 'x509_structure'],
    [
      'a SEQUENCE for an RDN',
      encodeSequence(encodeSequence(attribute('2.5.4.3', encodeUtf8String('a')))),
      'der_tag_unexpected'
    ],
    [
      'an RDN out of order',
      encodeSequence(
        encodeTlv(TAG.set, attribute('2.5.4.11', encodeUtf8String('b')), attribute('2.5.4.3', encodeUtf8String('a')))
      ),
      'der_set_order'
    ],
    [
      'an attribute without a value',
      encodeSequence(encodeSetOf([encodeSequence(encodeOid('2.5.4.3'))])),
      'der_truncated'
    ],
    [
      'a third part in an attribute',
      encodeSequence(encodeSetOf([encodeSequence(encodeOid('2.5.4.3'), encodeUtf8String('a'), encodeUtf8String('b'))])),
      'der_trailing_bytes'
    ],
    [
      'a BMPString of an odd length',
      encodeSequence(encodeSetOf([attribute('2.5.4.3', encodeTlv(TAG.bmpString, Uint8Array.of(0, 65, 0)))])),
      'der_value_invalid'
    ]
  ]
  it.each(broken)('with %s is refused', (_case, bytes, code) => {
    expect(codeOf(() => read(bytes))).toBe(code)
  })

  it('is read in BMPString too', () => {
    const name = read(encodeSequence(encodeSetOf([attribute('2.5.4.3', encodeBmpString('Benutzer'))])))
    expect(formatName(name)).toBe('CN=Benutzer')
  })
})
