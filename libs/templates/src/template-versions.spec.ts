import { describe, expect, it } from 'vitest'
import {
  builtInTemplates,
  diffTemplates,
  ENROLLMENT_FLAG,
  everyFlag,
  explainFlags,
  FLAG_MEMBERS,
  supersededBy,
  type CertificateTemplate
} from './index.js'

const [encryption, signature] = builtInTemplates() as [CertificateTemplate, CertificateTemplate]

describe('the flags of a template', () => {
  it.each(FLAG_MEMBERS)('are all explained: %s', member => {
    for (const { name, meaning } of everyFlag(member)) {
      expect([name, meaning]).toEqual([expect.stringMatching(/^[A-Z0-9_]+$/), expect.stringMatching(/^.+\.$/)])
    }
  })

  it('are named from the lowest on, version fields with their value and unknown bits as such', () => {
    expect(explainFlags('privateKeyFlags', 0x1010011).map(({ flag, name }) => [flag, name])).toEqual([
      ['0x1', 'REQUIRE_PRIVATE_KEY_ARCHIVAL'],
      ['0x10', 'EXPORTABLE_KEY'],
      ['0x10000', 'SERVER_VERSION_MASK'],
      ['0x1000000', 'CLIENT_VERSION_MASK']
    ])
    expect(explainFlags('subjectNameFlags', 0x80000002)).toMatchObject([
      { flag: '0x2', heededBy: 'nobody' },
      { flag: '0x80000000', name: 'SUBJECT_REQUIRE_DIRECTORY_PATH', heededBy: 'ca' }
    ])
    expect(explainFlags('generalFlags', 0x1a)).toEqual([])
  })
})

describe('two versions of a template', () => {
  it('differ in members, attributes and flags', () => {
    const { archival: _, ...without } = encryption
    const later = { ...without, minorVersion: 3, enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS, approvals: 2 }
    expect(diffTemplates(encryption, later)).toEqual([
      { member: 'minorVersion', attribute: 'msPKI-Template-Minor-Revision', from: 2, to: 3 },
      {
        member: 'enrollmentFlags',
        attribute: 'msPKI-Enrollment-Flag',
        from: 1,
        to: 2,
        flags: ['+PEND_ALL_REQUESTS', '-INCLUDE_SYMMETRIC_ALGORITHMS']
      },
      { member: 'archival', from: encryption.archival, to: null },
      { member: 'approvals', from: null, to: 2 }
    ])
    expect(diffTemplates(encryption, encryption)).toEqual([])
  })
})

describe('a template that supersedes another', () => {
  it('is named beside it where both are offered', () => {
    const newer = { ...signature, name: 'UserSignature2', supersededTemplates: ['usersignature'] }
    expect(supersededBy(signature, [encryption, signature, newer])).toEqual(['UserSignature2'])
    expect(supersededBy(newer, [encryption, signature, newer])).toEqual([])
    expect(supersededBy(signature, [encryption, signature])).toEqual([])
  })
})
