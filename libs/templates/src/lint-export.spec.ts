import { decodeLdif, type LdifEntry } from '@app/ldif'
import { describe, expect, it } from 'vitest'
import {
  directoryEntry,
  directoryUser,
  DOMAIN_SID,
  enrollmentService,
  exportedTemplate,
  faultyExport,
  ntAuth,
  policyObject
} from '../../../test/helpers/directory-export.js'
import { ACCESS, ENROLLMENT_FLAG, lintExport, SUBJECT_NAME_FLAG } from './index.js'

const LINKED = '1.3.6.1.4.1.311.21.8.9'
const everybody = { sid: 'S-1-5-11', mask: 0xf01ff }
const helpdesk = { sid: `${DOMAIN_SID}-1105`, mask: ACCESS.WRITE_PROPERTY }
const own = Buffer.from('certificate of the CA')
const found = (...entries: LdifEntry[]) =>
  lintExport(entries).findings.map(({ rule, severity, object }) => [rule, severity, object.split(',')[0]])

describe('the linter of an export', () => {
  it('finds nothing in a sound one', () => {
    const report = lintExport([
      exportedTemplate(),
      enrollmentService({ 'msPKI-Enrollment-Servers': ['1\n8\n0\nhttps://ca.contoso.example/ces\n0'] }),
      ntAuth([own]),
      policyObject(LINKED),
      directoryUser('alice', { altSecurityIdentities: ['X509:<I>CN=CA<SR>1234', 'X509:<SKI>12', 'Kerberos:alice@X'] })
    ])
    expect(report).toMatchObject({ objects: 5, templates: 1, findings: [] })
    expect(report.notShown.map(({ rule }) => rule)).toEqual([
      'ESC6',
      'ESC7',
      'ESC8',
      'ESC10',
      'ESC11',
      'ESC12',
      'ESC16'
    ])
  })

  it.each<[string, string, string, LdifEntry[]]>([
    [
      'ESC1',
      'error',
      'CN=UserSignature',
      [exportedTemplate({ subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT })]
    ],
    ['ESC2', 'error', 'CN=UserSignature', [exportedTemplate({ extendedKeyUsages: [] })]],
    ['ESC4', 'error', 'CN=UserSignature', [exportedTemplate({}, [everybody])]],
    ['template-control', 'warning', 'CN=UserSignature', [exportedTemplate({}, [helpdesk])]],
    ['ESC5', 'error', 'CN=NTAuthCertificates', [ntAuth([], [everybody])]],
    ['ESC5', 'warning', 'CN=NTAuthCertificates', [ntAuth([], [helpdesk])]],
    [
      'ESC5',
      'warning',
      'CN=NTAuthCertificates',
      [enrollmentService({ certificateTemplates: [] }), ntAuth([own, own.subarray(1)])]
    ],
    [
      'ESC5',
      'error',
      'CN=ca',
      [
        enrollmentService({ certificateTemplates: [] }),
        directoryEntry(
          'CN=ca,CN=Computers,DC=contoso,DC=example',
          { objectClass: ['computer'], dNSHostName: ['CA.contoso.example'] },
          [everybody]
        )
      ]
    ],
    ['ESC7', 'error', 'CN=Contoso CA', [enrollmentService({ certificateTemplates: [] }, [everybody])]],
    [
      'ESC8',
      'error',
      'CN=Contoso CA',
      [
        enrollmentService({
          certificateTemplates: [],
          'msPKI-Enrollment-Servers': ['1\n4\n0\nhttp://ca.contoso.example/\n0']
        })
      ]
    ],
    [
      'ESC8',
      'warning',
      'CN=Contoso CA',
      [
        enrollmentService({
          certificateTemplates: [],
          'msPKI-Enrollment-Servers': ['1\n2\n0\nhttps://ca.contoso.example/\n0']
        })
      ]
    ],
    [
      'ESC9',
      'error',
      'CN=UserSignature',
      [exportedTemplate({ enrollmentFlags: ENROLLMENT_FLAG.NO_SECURITY_EXTENSION })]
    ],
    [
      'ESC10',
      'error',
      'CN=mallory',
      [directoryUser('mallory', { userPrincipalName: ['Boss'] }), directoryUser('boss')]
    ],
    [
      'ESC13',
      'error',
      'CN=UserSignature',
      [exportedTemplate({ issuancePolicies: [LINKED] }), policyObject(LINKED, 'CN=Tier 0,DC=contoso,DC=example')]
    ],
    ['ESC14', 'error', 'CN=bob', [directoryUser('bob', { altSecurityIdentities: ['X509:<I>CN=CA<S>CN=bob'] })]],
    [
      'ESC14',
      'error',
      'CN=bob',
      [directoryUser('bob', { altSecurityIdentities: ['X509:<RFC822>bob@contoso.example'] })]
    ],
    [
      'ESC14',
      'error',
      'CN=bob',
      [directoryUser('bob', {}, [{ ...helpdesk, objectType: '00fbf30c-91fe-11d1-aebc-0000f80367c1' }])]
    ],
    [
      'ESC15',
      'error',
      'CN=UserSignature',
      [exportedTemplate({ schemaVersion: 1, subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT })]
    ],
    ['template-missing', 'warning', 'CN=Contoso CA', [enrollmentService({ certificateTemplates: ['Gone'] })]],
    ['unreadable', 'error', 'CN=UserSignature', [exportedTemplate({ oid: '' })]],
    [
      'security-descriptor',
      'warning',
      'CN=NTAuthCertificates',
      [{ ...ntAuth([]), attributes: [{ name: 'nTSecurityDescriptor', values: [Buffer.from('broken')] }] }]
    ]
  ])('finds %s as %s in %s', (rule, severity, object, entries) => {
    expect(found(...entries)).toContainEqual([rule, severity, object])
  })

  it('says of an unsafe template who may enroll and which CA offers it', () => {
    const unsafe = exportedTemplate({ subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT })
    const [finding] = lintExport([unsafe, enrollmentService()]).findings
    expect(finding?.message).toContain(
      'offered by Contoso CA; Enterprise Admins, Domain Users (everybody in it) may enroll.'
    )
  })

  it('reports on a whole file', () => {
    const report = lintExport(decodeLdif(faultyExport()))
    const errors = report.findings.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ rule, object }) => `${rule} ${object.split(',')[0]}`)).toEqual([
      'ESC1 CN=Any',
      'ESC4 CN=Open',
      'ESC13 CN=Linked',
      'ESC8 CN=Contoso CA',
      'ESC5 CN=NTAuthCertificates',
      'ESC14 CN=victim'
    ])
    expect(report.findings.every(({ remedy, where }) => remedy.endsWith('.') && where !== '')).toBe(true)
  })
})
