import { describe, expect, it } from 'vitest'
import { makeBadMessages, refusalOf, soundMessage } from '../helpers/strict-messages.js'

const messages = await makeBadMessages()

describe('a message', () => {
  it('that nothing is wrong with is accepted', () => {
    expect(refusalOf(soundMessage)).toBeUndefined()
  })
  it.each(messages)('is refused: $what ($code)', ({ code, message }) => {
    expect(refusalOf(message)).toBe(code)
  })
})
