import { describe, expect, it } from 'vitest'
import { AppError, DISPOSITIONS, ERROR_CODES, type DispositionName, type ErrorCode } from '@app/core'
import { EXIT, exitCodeOf, exitCodeOfDisposition } from './exit-code.js'

describe('the exit code', () => {
  it.each([
    ['invalid_argument', EXIT.usage],
    ['unauthenticated', EXIT.unauthorized],
    ['access_denied', EXIT.unauthorized],
    ['template_denied', EXIT.unauthorized],
    ['not_found', EXIT.notFound],
    ['conflict', EXIT.notFound],
    ['file_exists', EXIT.notFound],
    ['chain_invalid', EXIT.verification],
    ['server_unreachable', EXIT.unreachable],
    ['key_store_locked', EXIT.failure],
    ['internal', EXIT.failure]
  ] as const)('for %s is %i', (code, expected) => {
    expect(exitCodeOf(new AppError(code, 'x'))).toBe(expected)
  })

  it('is that of a failed verification for every fault of a response', () => {
    const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).filter(code => code.startsWith('response_'))
    expect(codes).toHaveLength(8)
    expect(codes.map(code => exitCodeOf(new AppError(code, 'x')))).toEqual(codes.map(() => EXIT.verification))
  })

  it.each([
    ['pending', EXIT.pending],
    ['failed', EXIT.denied],
    ['popRequired', EXIT.verification]
  ] as const)('for a verified response that says %s is %i', (status, expected) => {
    expect(exitCodeOf(new AppError('response_status', 'x', { status }))).toBe(expected)
  })

  it('is that of a failure for anything that is no error of the program', () => {
    expect(exitCodeOf(new TypeError('x'))).toBe(EXIT.failure)
  })

  it.each([
    ['issued', EXIT.ok],
    ['issued_out_of_band', EXIT.ok],
    ['under_submission', EXIT.pending],
    ['incomplete', EXIT.pending],
    ['denied', EXIT.denied],
    ['error', EXIT.failure],
    ['revoked', EXIT.failure]
  ] as const satisfies readonly (readonly [DispositionName, number])[])(
    'for a request that is %s is %i',
    (name, expected) => {
      expect(exitCodeOfDisposition(DISPOSITIONS[name])).toBe(expected)
    }
  )
})
