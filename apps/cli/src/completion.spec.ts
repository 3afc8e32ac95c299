import { describe, expect, it } from 'vitest'
import { completionsOf } from './completion.js'
import { createProgram } from './program.js'

describe('the completion', () => {
  const completions = new Map(completionsOf(createProgram()).map(({ path, words }) => [path, words]))

  it('knows every noun and the names that users of certreq know', () => {
    expect(completions.get('certkeep')).toEqual(
      expect.arrayContaining(['request', 'enroll', 'bootstrap', 'key', 'serve', 'new', 'submit', 'retrieve', 'accept'])
    )
  })

  it('knows the verbs of a noun and the options of a command', () => {
    expect(completions.get('certkeep request')).toEqual(
      expect.arrayContaining(['new', 'submit', 'status', 'wait', 'fetch', 'accept', 'cancel', 'inspect'])
    )
    expect(completions.get('certkeep request inspect')).toEqual(
      expect.arrayContaining(['--exchange-key', '--output', '--quiet', '--help'])
    )
  })
})
