import { describe, expect, it } from 'vitest'
import { findDeception } from './name-forms.js'

describe('a name that people write', () => {
  it.each([
    'Grüße & Söhne',
    'Ольга Иванова',
    'Αθήνα',
    "Seán O'Brien",
    '株式会社Example',
    'Ольга Smith',
    'www.example.org'
  ])('is taken: %s', name => {
    expect(findDeception(name)).toBeUndefined()
  })

  it.each([
    ['a Cyrillic letter among Latin ones', 'p\u0430ypal'],
    ['a Greek letter among Latin ones', 'g\u03bfogle'],
    ['a NUL', 'a\0b'],
    ['a direction override', 'a\u202eb'],
    ['an isolate', 'a\u2066b'],
    ['a space without width', 'a\u200bb'],
    ['a byte order mark', '\ufeffa'],
    ['a line separator', 'a\u2028b'],
    ['half a character', 'a\ud800'],
    ['a private character', 'a\ue000']
  ])('is refused with %s', (_what, name) => {
    expect(findDeception(name)).toMatch(/cannot be seen|look alike/)
  })
})
