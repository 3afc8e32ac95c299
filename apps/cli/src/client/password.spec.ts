import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { getPassword, type Terminal } from './password.js'

/** A terminal at which somebody types these lines, each after a question. */
function typing(...lines: readonly string[]): Terminal & { shown(): string } {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const output = new PassThrough()
  const rest = [...lines]
  let shown = ''
  output.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
    if (chunk.toString().endsWith(': ')) setImmediate(() => input.write(`${rest.shift() ?? ''}\r`))
  })
  return { input, output, shown: () => shown }
}

const source = { file: undefined, variable: 'CERTKEEP_NO_PASSWORD', question: 'Password of a.p12' }

describe('a password that is asked for', () => {
  it('is what is typed, which is not shown', async () => {
    const terminal = typing('opensesame')
    expect(await getPassword(source, terminal)).toBe('opensesame')
    expect(terminal.shown()).toBe('Password of a.p12: \n')
  })

  it('has to be typed twice when it is new', async () => {
    expect(await getPassword({ ...source, isNew: true }, typing('one', 'one'))).toBe('one')
    const slip = getPassword({ ...source, isNew: true }, typing('one', 'other'))
    await expect(slip).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('is not asked for where nobody is at a terminal', async () => {
    const pipe = { input: new PassThrough(), output: new PassThrough() }
    await expect(getPassword(source, pipe)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
