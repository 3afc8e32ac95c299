import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { securityDescriptorBytes, type AceParts } from '../../../test/helpers/security-descriptors.js'
import {
  ACCESS,
  builtInTemplates,
  ENROLLMENT_FLAG,
  GENERAL_FLAG,
  lintTemplate,
  PRIVATE_KEY_FLAG,
  SUBJECT_NAME_FLAG,
  TEMPLATE_RULES,
  type CertificateTemplate
} from './index.js'

const [encryption, signature, web] = builtInTemplates() as [
  CertificateTemplate,
  CertificateTemplate,
  CertificateTemplate
]
const encoded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const withAccess = (...aces: readonly AceParts[]): CertificateTemplate => ({
  ...signature,
  securityDescriptor: encoded(securityDescriptorBytes({ aces }))
})
const fromRequest = SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT

/** Each case breaks the named rule, in a template that is otherwise sound. */
const broken: readonly [string, string, CertificateTemplate][] = [
  ['address-form', 'a CRL behind TLS', { ...web, addresses: { crl: ['https://pki.example/{key}.crl'] } }],
  ['address-form', 'OCSP in a directory', { ...web, addresses: { ocsp: ['ldap://pki.example/CN=x?y'] } }],
  [
    'address-of-key',
    'one address of the CRLs of all keys',
    { ...web, addresses: { crl: ['http://pki.example/ca.crl'] } }
  ],
  [
    'address-of-key',
    'one address of all certificates',
    { ...web, addresses: { caIssuers: ['http://pki.example/{key}'] } }
  ],
  [
    'address-of-no-revocation',
    'addresses beside the flag that there are none',
    {
      ...web,
      enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS | ENROLLMENT_FLAG.NO_REVOCATION_INFO,
      addresses: { crl: ['http://pki.example/{ca}-{key}.crl'] }
    }
  ],
  ['address-none', 'no address of any status', { ...web, addresses: { crl: [], ocsp: [] } }],
  ['ESC1', 'the requester names who logs on', { ...signature, subjectNameFlags: fromRequest }],
  [
    'ESC1',
    'the logon purpose is only among the application policies',
    {
      ...web,
      enrollmentFlags: 0,
      extendedKeyUsages: ['1.2.3'],
      applicationPolicies: ['1.2.3', OID.szOID_KP_SMARTCARD_LOGON]
    }
  ],
  ['ESC1', 'no purpose is every purpose', { ...web, enrollmentFlags: 0, extendedKeyUsages: [] }],
  ['ESC2', 'no purpose', { ...signature, extendedKeyUsages: [] }],
  ['ESC2', 'any purpose', { ...signature, extendedKeyUsages: [OID.anyExtendedKeyUsage] }],
  ['ESC3', 'anyone becomes an enrollment agent', { ...signature, extendedKeyUsages: [OID.szOID_ENROLLMENT_AGENT] }],
  [
    'ESC4',
    'everybody may write the object in AD',
    withAccess({ sid: 'S-1-5-11', mask: ACCESS.WRITE_DACL }, { sid: 'S-1-5-21-1-2-3-513', mask: 0xf01ff })
  ],
  [
    'ESC4',
    'everybody may write one attribute in AD',
    withAccess({
      sid: 'S-1-5-21-1-2-3-515',
      mask: ACCESS.WRITE_PROPERTY,
      objectType: 'ea1dddc4-60ff-416e-8cc0-17cee534bce7'
    })
  ],
  ['ESC4', 'there is no list in AD', { ...signature, securityDescriptor: encoded(securityDescriptorBytes({})) }],
  [
    'ESC4',
    'everybody owns the object in AD',
    { ...signature, securityDescriptor: encoded(securityDescriptorBytes({ owner: 'S-1-1-0', aces: [] })) }
  ],
  ['template-control', 'a group may write the object in AD', withAccess({ sid: 'S-1-5-21-1-2-3-1105', mask: 0xf01ff })],
  ['security-descriptor', 'the descriptor is damaged', { ...signature, securityDescriptor: 'AQAEgA==' }],
  ['ra-policy', 'any signature will do', { ...signature, raSignatures: 1 }],
  [
    'ra-policy',
    'a signature with the certificate of any user will do',
    { ...signature, raSignatures: 1, raApplicationPolicies: [OID.id_kp_clientAuth] }
  ],
  ['ESC9', 'no security identifier', { ...signature, enrollmentFlags: ENROLLMENT_FLAG.NO_SECURITY_EXTENSION }],
  ['ESC13', 'an issuance policy for anyone', { ...signature, issuancePolicies: ['1.2.3'] }],
  ['ESC15', 'schema version 1 with the subject of the request', { ...web, schemaVersion: 1 }],
  ['ESC17', 'the requester names the server', { ...web, enrollmentFlags: 0 }],
  [
    'ca-approval',
    'a CA for anyone',
    { ...signature, generalFlags: GENERAL_FLAG.IS_CA, keyUsage: ['digitalSignature', 'keyCertSign'] }
  ],
  [
    'key-recovery-approval',
    'anyone becomes a recovery agent',
    { ...encryption, extendedKeyUsages: [OID.szOID_KP_KEY_RECOVERY_AGENT] }
  ],
  [
    'exchange-enrollment',
    'a client gets an exchange certificate',
    { ...encryption, extendedKeyUsages: [OID.szOID_KP_CA_EXCHANGE] }
  ],
  ['ocsp-approval', 'a client answers for the CA', { ...encryption, extendedKeyUsages: [OID.id_kp_OCSPSigning] }],
  [
    'archival-signature-key',
    'non-repudiation keys archived',
    { ...encryption, keyUsage: [...encryption.keyUsage, 'nonRepudiation'] }
  ],
  ['archival-signature-key', 'signature keys archived', { ...encryption, keyUsage: ['digitalSignature'] }],
  [
    'archival-key-usage',
    'archived keys that also sign',
    { ...encryption, keyUsage: [...encryption.keyUsage, 'digitalSignature'] }
  ],
  ['archival-purpose', 'archived keys that log on', { ...encryption, extendedKeyUsages: [OID.id_kp_clientAuth] }],
  ['archival-cipher', 'transport under the default cipher', { ...encryption, algorithms: {} }],
  ['archival-quorum', 'one agent recovers alone', { ...encryption, archival: { mode: 'any-agent', agentCount: 1 } }],
  [
    'archival-quorum',
    'two agents, and one approval',
    { ...encryption, archival: { mode: 'any-agent', agentCount: 2, approvals: 1 } }
  ],
  [
    'archival-quorum',
    'no agent to spare',
    { ...encryption, archival: { mode: 'threshold', agentCount: 2, threshold: 2 } }
  ],
  [
    'archival-cipher',
    'transport under 3DES',
    { ...encryption, algorithms: { symmetricAlgorithm: '3DES', symmetricKeyLength: 168 } }
  ],
  ['weak-hash', 'SHA-1', { ...signature, algorithms: { hashAlgorithm: 'SHA1' } }],
  ['weak-hash', 'MD5', { ...signature, algorithms: { hashAlgorithm: 'MD5' } }],
  ['weak-key', 'RSA of 1024 bits', { ...signature, minimalKeySize: 1024 }],
  ['sha1-proof', 'legacy proofs', { ...signature, allowSha1ProofOfPossession: true }],
  ['purposes-differ', 'two lists of purposes', { ...signature, applicationPolicies: [OID.id_kp_codeSigning] }],
  ['key-usage', 'a usage that Ed25519 keys lack', { ...encryption, keyAlgorithms: ['rsa', 'ed25519'] }],
  ['ca-key-usage', 'an end entity that signs certificates', { ...signature, keyUsage: ['keyCertSign'] }],
  ['ca-key-usage', 'a CA that does not', { ...web, generalFlags: GENERAL_FLAG.IS_CA }],
  ['no-name', 'no name at all', { ...signature, subjectNameFlags: 0 }],
  ['cross-ca', 'cross certificates', { ...signature, generalFlags: GENERAL_FLAG.IS_CROSS_CA }],
  ['supersedes-itself', 'its own name', { ...signature, supersededTemplates: ['usersignature'] }],
  ['unknown-flags', 'a bit without a meaning', { ...signature, enrollmentFlags: 0x80 }],
  ['attestation', 'attestation', { ...signature, privateKeyFlags: PRIVATE_KEY_FLAG.ATTEST_REQUIRED }],
  [
    'ignored-flags',
    'policies from the request',
    { ...signature, enrollmentFlags: ENROLLMENT_FLAG.ISSUANCE_POLICIES_FROM_REQUEST }
  ],
  [
    'ignored-flags',
    'both sources of the subject',
    { ...web, subjectNameFlags: fromRequest | SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_DNS }
  ]
]

describe('the template linter', () => {
  it.each(builtInTemplates())('finds nothing in the built-in $name', template => {
    expect(lintTemplate(template)).toEqual([])
  })

  it.each(broken)('%s is found where there is %s', (rule, _what, template) => {
    const found = lintTemplate(template).find(finding => finding.rule === rule)
    expect(found).toMatchObject({
      rule,
      severity: TEMPLATE_RULES.find(known => known.rule === rule)?.severity,
      message: expect.stringMatching(/\.$/),
      where: expect.stringMatching(/^[a-z][A-Za-z0-9]+(?: \([a-zA-Z-]+\))?(?:, |$)/),
      remedy: expect.stringMatching(/\.$/)
    })
  })

  it('shows each of its rules broken', () => {
    expect(new Set(broken.map(([rule]) => rule))).toEqual(new Set(TEMPLATE_RULES.map(({ rule }) => rule)))
  })

  it.each([
    ['an officer approves', { enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS }],
    ['a registration authority signs', { raSignatures: 1, raApplicationPolicies: [OID.szOID_ENROLLMENT_AGENT] }]
  ])('accepts a subject of the requester where %s', (_who, change) => {
    expect(lintTemplate({ ...signature, subjectNameFlags: fromRequest, ...change })).toEqual([])
  })

  it('accepts a security descriptor that leaves changes to administrators', () => {
    const sound = withAccess({ sid: 'S-1-5-21-1-2-3-519', mask: 0xf01ff }, { sid: 'S-1-5-11', mask: 0x20094 })
    expect(lintTemplate(sound)).toEqual([])
  })

  it('accepts a CA template that an officer approves', () => {
    const ca: CertificateTemplate = {
      ...web,
      generalFlags: GENERAL_FLAG.IS_CA,
      extendedKeyUsages: [],
      keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign']
    }
    expect(lintTemplate(ca)).toEqual([])
  })
})
