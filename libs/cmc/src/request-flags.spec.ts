import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { CR_PROPERTIES, findProperty, FR_PROPERTIES } from './property-table.js'
import { CR_DISP, CR_IN, CR_OUT, parseFlags, parseSubmitFlags } from './request-flags.js'

describe('the flags of a submission', () => {
  it('leave form and encoding to the server when there are none', () => {
    expect(parseSubmitFlags(undefined)).toEqual({
      value: 0,
      encoding: 'base64-header',
      fullResponse: false,
      crls: false
    })
  })

  it.each([
    [0x400, 'cmc', 'base64-header'],
    [0x402, 'cmc', 'binary'],
    ['0x101', 'pkcs10', 'base64'],
    ['CR_IN_CMC | CR_IN_BINARY', 'cmc', 'binary'],
    ['cmc, binary', 'cmc', 'binary'],
    [['CR_IN_PKCS7', 'CR_IN_ENCODEANY'], 'pkcs7', 'any'],
    ['KEYGEN', 'keygen', 'base64-header']
  ] as const)('%s announce %s in %s', (flags, expectFormat, encoding) => {
    expect(parseSubmitFlags(flags)).toMatchObject({ expectFormat, encoding })
  })

  it('tell the wish for a full response and for CRLs', () => {
    expect(parseSubmitFlags(0x40400 | 0x80000)).toMatchObject({ fullResponse: true, crls: true })
  })

  it.each([[0x500], [0x3], [0x700], ['CR_IN_NOTHING'], ['0x123456789'], [1.5], [-0x80000001]])(
    '%s are refused',
    flags => {
      expect(codeOf(() => parseSubmitFlags(flags))).toBe('invalid_argument')
    }
  )

  it('become one unsigned word', () => {
    expect(parseFlags(['CR_OUT_NOCR', 'CR_OUT_BASE64'], CR_OUT)).toBe(0x80000001)
    expect(parseFlags(-0x80000000, CR_OUT)).toBe(0x80000000)
  })
})

describe('the tables of constants', () => {
  it('have the values of the headers', () => {
    expect(CR_IN.CR_IN_FULLRESPONSE | CR_IN.CR_IN_CMC | CR_IN.CR_IN_BINARY).toBe(0x40402)
    expect(CR_DISP.CR_DISP_ISSUED).toBe(3)
    expect(CR_DISP.CR_DISP_UNDER_SUBMISSION).toBe(5)
  })

  it('list each property once', () => {
    for (const table of [CR_PROPERTIES, FR_PROPERTIES]) {
      expect(new Set(table.map(({ id }) => id)).size).toBe(table.length)
      expect(new Set(table.map(({ name }) => name)).size).toBe(table.length)
    }
    expect(FR_PROPERTIES.map(({ id }) => id)).toEqual(Array.from({ length: 22 }, (_, index) => index + 1))
    expect(CR_PROPERTIES.filter(({ id }) => id <= 50)).toHaveLength(50)
  })

  it.each([
    [15, 'CR_PROP_CAXCHGCERT'],
    ['15', 'CR_PROP_CAXCHGCERT'],
    ['CAXCHGCERT', 'CR_PROP_CAXCHGCERT'],
    ['cr_prop_caxchgcert', 'CR_PROP_CAXCHGCERT'],
    [51, undefined],
    ['NOTHING', undefined]
  ])('find a property by %s', (idOrName, name) => {
    expect(findProperty(CR_PROPERTIES, idOrName)?.name).toBe(name)
  })
})
