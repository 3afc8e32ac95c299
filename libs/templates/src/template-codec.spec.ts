import { AppError } from '@app/core'
import { describe, expect, it } from 'vitest'
import { builtInTemplates, decodeTemplate, encodeTemplate, flagWord, SUBJECT_NAME_FLAG } from './index.js'

const json = encodeTemplate(builtInTemplates()[0]!)

function fault(input: unknown): AppError {
  try {
    decodeTemplate(input)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the template was accepted')
}

describe('the JSON form of a template', () => {
  it.each(builtInTemplates())('carries the whole of $name', template => {
    expect(decodeTemplate(JSON.parse(JSON.stringify(encodeTemplate(template))))).toEqual(template)
  })

  it('keeps what only an imported template has', () => {
    const imported = {
      ...json,
      securityDescriptor: 'AQAEgA==',
      subjectNameFlags: flagWord(SUBJECT_NAME_FLAG.SUBJECT_REQUIRE_DIRECTORY_PATH),
      maxIssuingDepth: -1,
      raApplicationPolicies: ['1.3.6.1.4.1.311.20.2.1'],
      algorithms: { asymmetricAlgorithm: 'ECDH_P256', keyUsage: 16777215, keySecurityDescriptor: 'D:P(A;;GA;;;BA)' }
    }
    expect(encodeTemplate(decodeTemplate(imported))).toEqual(imported)
    expect(decodeTemplate(imported).subjectNameFlags).toBe(0x80000000)
  })

  it.each([
    ['an unknown member', { ...json, frobnicate: 1 }, '/frobnicate'],
    ['a member name that needs escaping', { ...json, 'a/b~c': 1 }, '/a~1b~0c'],
    ['an unknown member further down', { ...json, algorithms: { cipher: 'AES' } }, '/algorithms/cipher'],
    ['a name with a line break', { ...json, name: 'a\nb' }, '/name'],
    ['an empty name', { ...json, name: '' }, '/name'],
    ['text that is no identifier', { ...json, oid: '2.25.01' }, '/oid'],
    ['a first arc that does not exist', { ...json, extendedKeyUsages: ['3.1.2'] }, '/extendedKeyUsages/0'],
    ['a second arc above 39 under 1', { ...json, extendedKeyUsages: ['1.40.2'] }, '/extendedKeyUsages/0'],
    ['an identifier twice', { ...json, issuancePolicies: ['1.2.3', '1.2.3'] }, '/issuancePolicies'],
    ['a group twice in another case', { ...json, enroll: ['A', 'a'] }, '/enroll'],
    ['schema version 5', { ...json, schemaVersion: 5 }, '/schemaVersion'],
    ['a signed flag word', { ...json, subjectNameFlags: -2147483648 }, '/subjectNameFlags'],
    ['a flag word above 32 bits', { ...json, enrollmentFlags: 2 ** 32 }, '/enrollmentFlags'],
    ['a validity in fractions', { ...json, validitySeconds: 86400.5 }, '/validitySeconds'],
    ['no kind of key', { ...json, keyAlgorithms: [] }, '/keyAlgorithms'],
    ['an unknown key usage', { ...json, keyUsage: ['sign'] }, '/keyUsage/0'],
    ['an overlap as long as the validity', { ...json, overlapSeconds: 31_536_000 }, '/overlapSeconds'],
    ['archival that the flags do not ask for', { ...json, privateKeyFlags: 0 }, '/archival'],
    ['archival without agents', { ...json, archival: { mode: 'any-agent', agentCount: 0 } }, '/archival/agentCount'],
    [
      'more approvals than agents',
      { ...json, archival: { mode: 'any-agent', agentCount: 2, approvals: 3 } },
      '/archival/approvals'
    ],
    [
      'a threshold above the number of agents',
      { ...json, archival: { mode: 'threshold', agentCount: 2, threshold: 3 } },
      '/archival/threshold'
    ],
    [
      'a threshold of one',
      { ...json, archival: { mode: 'threshold', agentCount: 2, threshold: 1 } },
      '/archival/threshold'
    ],
    ['a template that nobody need approve', { ...json, approvals: 0 }, '/approvals'],
    ['an address behind TLS', { ...json, addresses: { crl: ['https://a.example/{key}'] } }, '/addresses/crl/0'],
    ['a number that no address has', { ...json, addresses: { crl: ['http://a.example/{x}'] } }, '/addresses/crl/0'],
    ['a time to decide in of no length', { ...json, pendingSeconds: 0 }, '/pendingSeconds'],
    ['a list instead of a template', [], '']
  ])('refuses %s and points at it', (_what, input, pointer) => {
    const error = fault(input)
    expect(error.code).toBe('invalid_argument')
    expect(error.evidence['pointer']).toBe(pointer)
  })

  it('refuses a flag for archival without its settings', () => {
    const { archival: _, ...without } = json
    expect(fault(without).evidence['pointer']).toBe('/archival')
  })

  it.each(Object.keys(json).filter(member => member !== 'archival'))('refuses a template without %s', member => {
    expect(fault({ ...json, [member]: undefined }).evidence['pointer']).toBe(`/${member}`)
  })

  it('counts every fault', () => {
    expect(fault({ ...json, oid: 'x', schemaVersion: 9, extra: true }).evidence['faults']).toBe(3)
  })
})
