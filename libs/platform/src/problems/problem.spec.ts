import { describe, expect, it } from 'vitest'
import { AppError, ERROR_CODES } from '@app/core'
import { HTTP_PROBLEMS } from './http-status.js'
import { InvalidRequest, jsonPointer, problemOf } from './problem.js'

describe('a problem', () => {
  it('says what, as which documented type, and whether to try again', () => {
    const error = new AppError('template_unknown', 'The CA offers no template "X".', { template: 'X' })
    expect(problemOf(error, 'abc')).toEqual({
      type: 'urn:certkeep:problem:template_unknown',
      title: 'The template is unknown or not offered by this CA',
      status: 422,
      detail: 'The CA offers no template "X".',
      instance: 'urn:certkeep:occurrence:abc',
      code: 'template_unknown',
      hresult: '0x80094800',
      retryable: false
    })
  })

  it('points at every wrong member of a request', () => {
    const error = new InvalidRequest([{ pointer: '/flags/0', detail: 'unknown flag' }])
    expect(problemOf(error, 'abc')).toMatchObject({
      status: 400,
      code: 'invalid_argument',
      detail: 'The request is not valid. /flags/0: unknown flag.',
      errors: [{ pointer: '/flags/0', detail: 'unknown flag' }]
    })
  })

  it('never shows evidence or cause', () => {
    const error = new AppError('conflict', 'Taken.', { row: 'hunter2' }, { cause: new Error('hunter3') })
    expect(JSON.stringify(problemOf(error, 'abc'))).not.toMatch(/hunter/)
  })

  it('exists for every error code, with an error status', () => {
    expect(Object.keys(HTTP_PROBLEMS)).toEqual(Object.keys(ERROR_CODES))
    expect(Object.values(HTTP_PROBLEMS).filter(({ status }) => status < 400 || status > 599)).toEqual([])
  })

  it('asks to try again exactly where the server is the reason', () => {
    const retried = Object.entries(HTTP_PROBLEMS).filter(([, { retryable }]) => retryable)
    expect(new Set(retried.map(([, { status }]) => status))).toEqual(new Set([429, 503]))
  })
})

describe('a JSON pointer', () => {
  it.each([
    [[], ''],
    [['a', 0, 'b'], '/a/0/b'],
    [['a/b', 'm~n', ''], '/a~1b/m~0n/']
  ])('to %j is %j', (path, expected) => {
    expect(jsonPointer(path)).toBe(expected)
  })
})
