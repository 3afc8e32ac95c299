import { describe, expect, it } from 'vitest'
import { sanitizeCaName, shortSanitizedCaName } from './ca-name.js'

describe('the forms of a CA name', () => {
  it.each([
    ['Contoso Issuing CA 1', 'Contoso Issuing CA 1'],
    ['R&D / Test', 'R!0026D !002f Test'],
    ['Zürich!', 'Z!00fcrich!0021']
  ])('%s is sanitized to %s', (name, sanitized) => {
    expect(sanitizeCaName(name)).toBe(sanitized)
    expect(shortSanitizedCaName(name)).toBe(sanitized)
  })

  it('a long name keeps its beginning and tells others of the same beginning apart', () => {
    const [one, two] = ['1', '2'].map(end => shortSanitizedCaName(`${'Certification Authority '.repeat(3)}${end}`))
    expect(one).toMatch(/^Certification Authority Certification Authority Cer-\d{5}$/)
    expect(one).not.toBe(two)
  })

  it('an escape is never cut in two', () => {
    expect(shortSanitizedCaName(`${'x'.repeat(49)}ü and more`)).toMatch(/^x{49}-\d{5}$/)
  })
})
