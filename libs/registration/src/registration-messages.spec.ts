import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isAppError } from '@app/core'
import { decodeRegistrationRequest, propertyOf } from './registration-request.js'
import { decodeRegistrationResponse, encodeRegistrationResponse } from './registration-response.js'
import { buildRegistrationRequest, type RegistrationRequestInput } from './request-builder.js'
import { isSignatureOf, signMessageText } from './message-signature.js'

const key = generateKeyPairSync('rsa', { modulusLength: 2048 })
const input: RegistrationRequestInput = {
  type: 'Registration',
  timeStamp: new Date('2026-11-25T12:00:00Z'),
  signingCertificate: Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x01),
  properties: { 'Netbios Name': 'PC<1>&"', 'FQ Name': 'pc1.example.org', InternetFlag: '0', '.HardwareID1': '2:AB' }
}
const message = buildRegistrationRequest(input, { privateKey: key.privateKey })

function problemOf(text: string): string {
  try {
    decodeRegistrationRequest(text)
  } catch (error) {
    if (isAppError(error, 'registration_schema_invalid')) return error.message
    throw error
  }
  return ''
}

describe('a registration request', () => {
  it('is read as it was built, its property names in any case, and its signed text is the exact one', () => {
    const { request, data, signature } = decodeRegistrationRequest(message)
    expect(request).toMatchObject({ type: 'Registration', smsid: '', hash: 'sha256', agent: { type: 0 } })
    expect(propertyOf(request, 'NetBIOS Name')).toBe('PC<1>&"')
    expect(message).toContain(`<ClientRegistrationRequest>${data}<Signature>`)
    expect(isSignatureOf(data, signature, key.publicKey, ['sha256'])).toBe(true)
  })

  it('is not signed when the octets are not reversed, the hash is another, the text is UTF-8 or a blank differs', () => {
    const { data, signature } = decodeRegistrationRequest(message)
    const isGood = (text: string, hex: string): boolean => isSignatureOf(text, hex, key.publicKey, ['sha256'])
    const reversed = (octets: Buffer): string => Buffer.from(octets.toReversed()).toString('hex')
    expect(isGood(data, reversed(sign('sha256', Buffer.from(data, 'utf16le'), key.privateKey)))).toBe(true)
    expect(isGood(data, sign('sha256', Buffer.from(data, 'utf16le'), key.privateKey).toString('hex'))).toBe(false)
    expect(isGood(data, reversed(sign('sha256', Buffer.from(data, 'utf8'), key.privateKey)))).toBe(false)
    expect(isGood(data, signMessageText(data, key.privateKey, 'sha1'))).toBe(false)
    expect(isSignatureOf(data, signMessageText(data, key.privateKey, 'sha1'), key.publicKey, ['sha256', 'sha1'])).toBe(
      true
    )
    expect(isGood(data.replace('<Data ', '<Data  '), signature)).toBe(false)
    expect(isGood(data, 'no')).toBe(false)
  })

  it('is refused with the name of every field that is missing or wrong', () => {
    const broken = message
      .replace(/ TimeStamp="[^"]*"/, '')
      .replace('InternetFlag" Value="0"', 'InternetFlag" Value="7"')
      .replace('FQ Name', 'Other Name')
      .replace(/<Signing[^]*<\/Signing>/, '<Signing Encoding="HexBinary">ABC</Signing>')
      .replace('RequestType="Registration"', 'RequestType="Registry"')
    const told = problemOf(broken)
    expect(told).toContain('Data@TimeStamp is missing')
    expect(told).toContain('Data@RequestType is none of')
    expect(told).toContain('Data/Certificates/Signing is no hexadecimal')
    const flag = message.replace('InternetFlag" Value="0"', 'InternetFlag" Value="7"').replace('FQ Name', 'Other Name')
    expect(problemOf(flag)).toContain('Property[FQ Name] is missing')
    expect(problemOf(flag)).toContain('Property[InternetFlag] is none of 0, 1, 2')
    expect(problemOf(message.replace('<Signature>', '<Seal>').replace('</Signature>', '</Seal>'))).toContain(
      'Signature is missing'
    )
  })

  it.each([
    ['an external entity', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 'document type'],
    ['entities in entities', '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>', 'document type'],
    ['a processing instruction', '<?php ?>', 'processing instruction'],
    ['a comment that looks like the signed part', '<!--<Data></Data>-->', 'comment'],
    ['two signed parts', '', 'more than once', (text: string) => text.replace('<Signature>', '<Data/><Signature>')],
    [
      'what was signed hidden in an element that nobody knows',
      '',
      'more than once',
      (text: string) => {
        const data = /<Data[^]*<\/Data>/.exec(text)?.[0] ?? ''
        return text.replace(data, `<Extra>${data}</Extra>${data.replace('pc1.', 'pc2.')}`)
      }
    ],
    ['an unknown entity', '', 'not well-formed', (text: string) => text.replace('pc1', '&pc1;')],
    ['an end that is missing', '', 'not well-formed', (text: string) => text.slice(0, -10)],
    ['great depth', '', 'nests more', () => '<a>'.repeat(40) + '</a>'.repeat(40)],
    ['many elements', '', 'more than 512', () => `<a>${'<b/>'.repeat(600)}</a>`],
    ['great length', '', 'characters', (text: string) => text + ' '.repeat(200_000)],
    ['no element', '', 'not well-formed', () => 'hello'],
    ['another root', '', 'not a ClientRegistrationRequest', () => '<Other/>']
  ])('is refused with %s', (_what, prolog, told, change: (text: string) => string = text => text) => {
    expect(problemOf(prolog + change(message))).toContain(told)
  })
})

describe('a registration response', () => {
  it('has an SMSID with the statuses 0 and 1 only, and is read whatever else it carries', () => {
    const smsid = 'GUID:6B29FC40-CA47-1067-B31D-00DD010662DA'
    const response = { type: 'Registration', timeStamp: new Date('2026-11-25T12:00:00Z'), status: 1, smsid } as const
    const text = encodeRegistrationResponse({ ...response, approval: 'not_approved' })
    expect(decodeRegistrationResponse(text.replace('/>', ' Token="x"/>'))).toEqual({
      ...response,
      approval: 'not_approved'
    })
    expect(decodeRegistrationResponse(text.replace('Status="1"', 'Status="3"')).smsid).toBeUndefined()
    expect(() => decodeRegistrationResponse(text.replace(/ SMSID="[^"]*"/, ''))).toThrow(/@SMSID/)
  })
})
