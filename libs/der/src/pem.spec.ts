import { describe, expect, it } from 'vitest'
import { isAppError } from '@app/core'
import { decodeDerPemOrBase64, decodePem, encodePem } from './pem.js'

const der = Uint8Array.of(0x30, 3, 2, 1, 5)

describe('the text forms of a message', () => {
  it.each([
    ['DER', der],
    ['PEM', Buffer.from(encodePem('CERTIFICATE REQUEST', der))],
    [
      'PEM as Windows writes it',
      Buffer.from('-----BEGIN NEW CERTIFICATE REQUEST-----\r\nMAMCAQU=\r\n-----END NEW CERTIFICATE REQUEST-----\r\n')
    ],
    ['bare base64 with line breaks', Buffer.from('MAMC\nAQU=\n')]
  ])('%s', (_name, input) => {
    expect([...decodeDerPemOrBase64(input)]).toEqual([...der])
  })

  it.each([
    ['two blocks', encodePem('A', der) + encodePem('B', der)],
    ['a damaged block', '-----BEGIN A-----\n%%%\n-----END A-----'],
    ['no end line', '-----BEGIN A-----\nMAMCAQU=\n'],
    ['prose', 'not a request'],
    ['nothing', '']
  ])('refuses %s', (_name, text) => {
    let thrown: unknown
    try {
      decodeDerPemOrBase64(Buffer.from(text))
    } catch (error) {
      thrown = error
    }
    expect(isAppError(thrown, 'pem_invalid')).toBe(true)
  })

  it('keeps the order and labels of blocks', () => {
    expect(decodePem(encodePem('A', der) + 'text' + encodePem('B', der)).map(block => block.label)).toEqual(['A', 'B'])
  })
})
