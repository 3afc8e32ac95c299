import { ERROR_CODES, type ErrorCode } from '@app/core'
import { describe, expect, it } from 'vitest'
import { CMC_FAIL_INFO, findCmcFailInfoName, findCmcStatusName } from './cmc-status.js'
import { failInfoOf } from './fail-info-of.js'
import {
  errorMessageText,
  findHresultSymbol,
  formatHresult,
  HRESULTS,
  parseHresult,
  toSignedHresult,
  type HresultSymbol
} from './hresult.js'
import { hresultOf } from './hresult-of.js'

// Symbol, unsigned value and the signed decimal that WSTEP carries, as MS-ERREF lists them.
const rows: readonly (readonly [HresultSymbol, number, number])[] = [
  ['CERTSRV_E_BAD_REQUESTSUBJECT', 0x80094001, -2146877439],
  ['CERTSRV_E_NO_VALID_KRA', 0x8009400b, -2146877429],
  ['CERTSRV_E_BAD_REQUEST_KEY_ARCHIVAL', 0x8009400c, -2146877428],
  ['CERTSRV_E_ADMIN_DENIED_REQUEST', 0x80094014, -2146877420],
  ['CERTSRV_E_UNSUPPORTED_CERT_TYPE', 0x80094800, -2146875392],
  ['CERTSRV_E_ARCHIVED_KEY_REQUIRED', 0x80094804, -2146875388],
  ['CERTSRV_E_ARCHIVED_KEY_UNEXPECTED', 0x80094810, -2146875376],
  ['CERTSRV_E_KEY_ATTESTATION', 0x8009481a, -2146875366],
  ['CRYPT_E_INVALID_MSG_TYPE', 0x80091004, -2146889724],
  ['CRYPT_E_RECIPIENT_NOT_FOUND', 0x8009100b, -2146889717],
  ['CRYPT_E_NO_SIGNER', 0x8009200e, -2146885618],
  ['NTE_BAD_SIGNATURE', 0x80090006, -2146893818],
  ['E_INVALIDARG', 0x80070057, -2147024809],
  ['RPC_S_SERVER_UNAVAILABLE', 0x800706ba, -2147023174],
  ['CERT_E_CHAINING', 0x800b010a, -2146762486],
  ['CERT_E_WRONG_USAGE', 0x800b0110, -2146762480]
]

describe('an HRESULT', () => {
  it.each(rows)('%s is 0x%s, signed %i', (symbol, value, signed) => {
    expect(HRESULTS[symbol].value).toBe(value)
    expect(toSignedHresult(value)).toBe(signed)
    expect(findHresultSymbol(value)).toBe(symbol)
    expect(findHresultSymbol(signed)).toBe(symbol)
  })

  it('has a value that no other symbol has, and a sentence', () => {
    const entries = Object.values(HRESULTS)
    expect(new Set(entries.map(({ value }) => value)).size).toBe(entries.length)
    for (const { text } of entries) expect(text).toMatch(/^[A-Z].*\.$/)
  })

  it('is written as eight hexadecimal digits whatever its sign', () => {
    expect(formatHresult(-2146877429)).toBe('0x8009400b')
    expect(formatHresult(0)).toBe('0x00000000')
  })

  it.each([
    ['0x8009400b', 0x8009400b],
    ['8009400B', 0x8009400b],
    ['-2146877429', 0x8009400b],
    ['2148089867', 0x8009400b],
    ['CERTSRV_E_NO_VALID_KRA', 0x8009400b],
    ['0', 0],
    ['toString', undefined],
    ['0x80', undefined],
    ['99999999999', undefined],
    ['', undefined]
  ])('is read from %s', (text, value) => {
    expect(parseHresult(text)).toBe(value)
  })

  it('has its code appended to the text when that is asked for', () => {
    const { text } = HRESULTS.CERTSRV_E_NO_VALID_KRA
    expect(errorMessageText(0x8009400b)).toBe(text)
    expect(errorMessageText(-2146877429, { withCode: true })).toBe(`${text} 0x8009400b (CERTSRV_E_NO_VALID_KRA)`)
  })

  it('shows its code when no text is known', () => {
    expect(errorMessageText(0x80041234)).toContain('0x80041234')
  })
})

describe('an error code', () => {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[]

  it('always has a failing HRESULT and a CMCFailInfo', () => {
    for (const code of codes) {
      expect(hresultOf(code).value).toBeGreaterThanOrEqual(0x80000000)
      expect(CMC_FAIL_INFO[failInfoOf(code).name]).toBe(failInfoOf(code).value)
    }
  })

  it.each([
    ['archived_key_required', 'CERTSRV_E_ARCHIVED_KEY_REQUIRED', 'mustArchiveKeys'],
    ['archived_key_misplaced', 'CERTSRV_E_BAD_REQUEST_KEY_ARCHIVAL', 'badRequest'],
    ['cmc_key_hash_mismatch', 'CRYPT_E_HASH_VALUE', 'badMessageCheck'],
    ['cmc_request_count', 'ERROR_INVALID_DATA', 'badRequest'],
    ['cms_no_signer', 'CRYPT_E_NO_SIGNER', 'badMessageCheck'],
    ['cms_signature_invalid', 'NTE_BAD_SIGNATURE', 'badMessageCheck'],
    ['exchange_recipient_unknown', 'CRYPT_E_RECIPIENT_NOT_FOUND', 'badCertId'],
    ['exchange_key_gone', 'CRYPT_E_NO_DECRYPT_CERT', 'badCertId'],
    ['template_missing', 'CERTSRV_E_NO_CERT_TYPE', 'badRequest'],
    ['template_denied', 'CERTSRV_E_TEMPLATE_DENIED', 'badRequest'],
    ['identity_proof_invalid', 'E_ACCESSDENIED', 'badIdentity'],
    ['pkcs10_signature_invalid', 'NTE_BAD_SIGNATURE', 'popFailed'],
    ['denied_by_officer', 'CERTSRV_E_ADMIN_DENIED_REQUEST', 'badRequest'],
    ['not_found', 'CERTSRV_E_PROPERTY_EMPTY', 'badCertId'],
    ['unavailable', 'CERTSRV_E_SERVER_SUSPENDED', 'tryLater']
  ] as const)('%s is told as %s and %s', (code, symbol, failInfo) => {
    expect(hresultOf(code).symbol).toBe(symbol)
    expect(failInfoOf(code).name).toBe(failInfo)
  })
})

describe('a CMC status or reason', () => {
  it('is known by its number', () => {
    expect([0, 1, 2, 3, 7].map(findCmcStatusName)).toEqual(['success', undefined, 'failed', 'pending', 'partial'])
    expect([0, 6, 13, 14].map(findCmcFailInfoName)).toEqual(['badAlg', 'mustArchiveKeys', 'authDataFail', undefined])
  })
})
