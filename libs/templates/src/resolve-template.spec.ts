import type { TemplateReference } from '@app/cmc'
import { isAppError } from '@app/core'
import { describe, expect, it } from 'vitest'
import { builtInTemplates, resolveTemplate } from './index.js'

const offered = builtInTemplates()
const [encryption, signature] = offered
const old = { ...encryption!, name: 'OldUser', oid: '1.2.3', schemaVersion: 1 } as const

function codeOf(reference: TemplateReference): string {
  try {
    resolveTemplate(reference, [...offered, old])
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
  return 'resolved'
}

describe('resolving the template of a request', () => {
  it.each<[string, TemplateReference]>([
    ['by name', { names: ['UserEncryption'] }],
    ['by name in another case and with blanks', { names: [' userENCRYPTION '] }],
    ['by the same name from several places', { names: ['UserEncryption', 'USERENCRYPTION'] }],
    ['by object identifier', { names: [], oid: encryption!.oid }],
    ['by both', { names: ['UserEncryption'], oid: encryption!.oid, major: 100, minor: 1 }],
    ['by an older version', { names: [], oid: encryption!.oid, major: 99, minor: 0 }]
  ])('finds it %s', (_how, reference) => {
    expect(resolveTemplate(reference, offered)).toBe(encryption)
  })

  it.each<[string, string, TemplateReference]>([
    ['template_missing', 'no identifier', { names: [] }],
    ['template_missing', 'an empty name', { names: [' '] }],
    ['template_missing', 'a version without an identifier', { names: [], major: 1 }],
    ['template_unknown', 'a name that is not offered', { names: ['Smartcard'] }],
    ['template_unknown', 'the display name', { names: [encryption!.displayName] }],
    ['template_unknown', 'an identifier that is not offered', { names: [], oid: '1.2.3.4' }],
    ['template_unknown', 'a known name beside an unknown identifier', { names: ['UserEncryption'], oid: '1.2.3.4' }],
    ['template_conflict', 'two names', { names: ['UserEncryption', 'UserSignature'] }],
    ['template_conflict', 'two names of which one is unknown', { names: ['UserEncryption', 'Smartcard'] }],
    ['template_conflict', 'a name and the identifier of another', { names: ['UserEncryption'], oid: signature!.oid }],
    ['template_version', 'a newer major version', { names: [], oid: encryption!.oid, major: 101, minor: 0 }],
    ['template_version', 'a newer minor version', { names: [], oid: encryption!.oid, major: 100, minor: 3 }],
    [
      'template_version',
      'a newer minor version under an older major one',
      { names: [], oid: encryption!.oid, major: 1, minor: 3 }
    ],
    ['resolved', 'any version of a template of schema version 1', { names: [], oid: '1.2.3', major: 101, minor: 9 }]
  ])('answers %s to %s', (code, _what, reference) => {
    expect(codeOf(reference)).toBe(code)
  })

  it('does not put a long foreign name into the message whole', () => {
    expect(() => resolveTemplate({ names: ['x'.repeat(5000)] }, offered)).toThrow(/^.{1,120}$/)
  })
})
