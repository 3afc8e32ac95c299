import { describe, expect, it } from 'vitest'
import { AppError } from '@app/core'
import { createLogger, type Logger } from './logger.js'
import { nestLoggerOf } from './nest-logger.js'

function logged(write: (logger: Logger) => void, format: 'json' | 'pretty' = 'json'): readonly string[] {
  const lines: string[] = []
  write(createLogger({ level: 'trace', format, destination: { write: line => lines.push(line) } }))
  return lines
}

function objectOf(lines: readonly string[]): Record<string, unknown> {
  return JSON.parse(lines[0] ?? '{}') as Record<string, unknown>
}

describe('the log', () => {
  it('is one JSON object a line', () => {
    const lines = logged(logger => {
      logger.child({ role: 'front' }).info({ requestId: 17 }, 'Issued.')
    })
    expect(lines).toHaveLength(1)
    expect(objectOf(lines)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      role: 'front',
      requestId: 17,
      message: 'Issued.'
    })
  })

  it.each([
    'password',
    'newPassword',
    'passphrase',
    'secret',
    'clientSecret',
    'token',
    'access_token',
    'authorization',
    'Cookie',
    'set-cookie',
    'key',
    'privateKey',
    'private_key',
    'pkcs8',
    'witnessKey'
  ])('never has what is called %s, at any depth', name => {
    const lines = logged(logger => {
      logger.info({ [name]: 'hunter2', deep: { list: [{ [name]: ['hunter2'] }] } }, 'x')
      logger.child({ [name]: 'hunter2' }).info('x')
    })
    expect(lines).toHaveLength(2)
    expect(lines.join('')).not.toContain('hunter2')
    expect(objectOf(lines)[name]).toBe('[redacted]')
  })

  it.each(['publicKey', 'keyId', 'idempotencyKey', 'carriesKey', 'keyIndex'])('has what is called %s', name => {
    expect(
      objectOf(
        logged(logger => {
          logger.info({ [name]: 'abc' }, 'x')
        })
      )[name]
    ).toBe('abc')
  })

  it.each([
    ['Authorization: Bearer abcdefghijklmnop', 'Authorization: Bearer [redacted]'],
    ['postgres://owner:hunter2@db/certkeep', 'postgres://owner:[redacted]@db/certkeep'],
    ['-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- rest', '[redacted] rest']
  ])('takes credentials out of text: %j', (text, expected) => {
    const line = objectOf(
      logged(logger => {
        logger.warn({ text }, text)
      })
    )
    expect(line['message']).toBe(expected)
    expect(line['text']).toBe(expected)
  })

  it('tells the number of bytes and never the bytes', () => {
    const bytes = Buffer.from('hunter2')
    const lines = logged(logger => {
      logger.info({ bytes, view: new Uint8Array(bytes) }, 'x')
    })
    expect(objectOf(lines)).toMatchObject({ bytes: '[7 bytes]', view: '[7 bytes]' })
  })

  it('has the code and evidence of an expected error, and the stack of a defect', () => {
    const cause = new TypeError('x is undefined')
    const error = new AppError('unavailable', 'The database does not answer.', { attempt: 2 }, { cause })
    const line = objectOf(
      logged(logger => {
        logger.error({ error }, 'failed')
      })
    )
    expect(line['error']).toMatchObject({
      type: 'AppError',
      code: 'unavailable',
      message: 'The database does not answer.',
      evidence: { attempt: 2 },
      cause: { type: 'TypeError', message: 'x is undefined', stack: expect.stringContaining('logger.spec') as string }
    })
    expect(line['error']).not.toHaveProperty('stack')
  })

  it('survives objects that refer to themselves and text without end', () => {
    const loop: Record<string, unknown> = { text: 'x'.repeat(100_000) }
    loop['self'] = loop
    const [line = ''] = logged(logger => {
      logger.info({ loop }, 'x')
    })
    expect(line.length).toBeLessThan(50_000)
  })

  it('is text for people where that is wanted', () => {
    const [text = ''] = logged(logger => {
      logger.warn({ requestId: 17, error: new Error('no') }, 'Late.')
    }, 'pretty')
    expect(text).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}Late\. {2}requestId=17 {2}error=.*"message":"no"/)
    expect(text).toMatch(/\n\s+at /)
  })
})

describe('the logger that Nest is given', () => {
  it('keeps the start-up talk of Nest at debug, with its context', () => {
    const lines = logged(logger => {
      nestLoggerOf(logger).log('Mapped {/x}', 'RouterExplorer')
    })
    expect(objectOf(lines)).toMatchObject({ level: 'debug', message: 'Mapped {/x}', context: 'RouterExplorer' })
  })

  it('tells errors with their stack', () => {
    const lines = logged(logger => {
      nestLoggerOf(logger).error('broken', 'Error: x\n    at y', 'Router')
    })
    expect(objectOf(lines)).toMatchObject({
      level: 'error',
      message: 'broken',
      context: 'Router',
      stack: 'Error: x\n    at y'
    })
  })

  it('takes errors and objects for messages', () => {
    const lines = logged(logger => {
      nestLoggerOf(logger).fatal?.(new Error('broken'))
      nestLoggerOf(logger).warn({ password: 'hunter2', count: 1 })
    })
    expect(objectOf(lines)).toMatchObject({ level: 'fatal', message: 'broken', error: { type: 'Error' } })
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ content: { password: '[redacted]', count: 1 } })
  })
})
