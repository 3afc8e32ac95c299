import { describe, expect, it } from 'vitest'
import { storableJson, storableText } from './text.js'

describe('storableText', () => {
  it.each([
    ['plain', 'plain'],
    ['Größe 😀', 'Größe 😀'],
    ['a\0b', 'a\uFFFDb'],
    ['a\uD800b', 'a\uFFFDb'],
    ['\uDC00', '\uFFFD']
  ])('makes %j %j', (text, expected) => {
    expect(storableText(text)).toBe(expected)
  })
})

describe('storableJson', () => {
  it('leaves harmless values as JSON.stringify writes them', () => {
    const value = { a: 'x', b: [1, 'y'], c: null }
    expect(storableJson(value)).toBe(JSON.stringify(value))
  })

  it('replaces what jsonb refuses, at any depth', () => {
    expect(JSON.parse(storableJson({ a: ['x\0', { b: '\uD83D' }] }))).toEqual({ a: ['x\uFFFD', { b: '\uFFFD' }] })
  })

  it('keeps a backslash that only looks like an escape', () => {
    expect(JSON.parse(storableJson({ a: '\\u0000' }))).toEqual({ a: '\\u0000' })
  })
})
