import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readEnrollmentRequest } from '@app/cmc'
import { DerReader } from '@app/der'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import {
  builtInTemplates,
  ENROLLMENT_FLAG,
  GENERAL_FLAG,
  SUBJECT_NAME_FLAG,
  type CertificateTemplate
} from '@app/templates'
import {
  buildCertificationRequest,
  decodeName,
  decodePublicKey,
  encodeAttribute,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeName,
  encodeSubjectAltName,
  parseDistinguishedName,
  type Extension,
  type GeneralName,
  type Name
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { decide, type DecisionInput, type RequestToJudge, type Requester } from './index.js'

const spkiOf = (key: KeyObject) => decodePublicKey(key.export({ format: 'der', type: 'spki' }))
const rsa = spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
const rsa1024 = spkiOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
const rsaExponent3 = spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey)
const p256 = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
const ed25519 = spkiOf(generateKeyPairSync('ed25519').publicKey)

const offered = builtInTemplates()
const template = (name: string): CertificateTemplate => offered.find(known => known.name === name)!
const nameOf = (text: string): Name => decodeName(DerReader.over(encodeName(parseDistinguishedName(text))), 'name')
const altNames = (...names: GeneralName[]): Extension => ({
  oid: OID.id_ce_subjectAltName,
  critical: false,
  value: encodeSubjectAltName(names)
})

const alice: Requester = {
  id: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  displayName: 'Alice Liddell',
  distinguishedName: 'CN=Alice,OU=Staff,DC=corp,DC=example',
  upn: 'alice@corp.example',
  mail: 'alice@corp.example',
  guid: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  groups: ['domain users']
}
const host: Requester = {
  ...alice,
  kind: 'computer',
  accountName: 'WEB01$',
  dnsName: 'web01.corp.example',
  groups: ['Domain Computers']
}

const request: RequestToJudge = {
  template: { names: ['UserSignature'] },
  subject: undefined,
  publicKey: rsa,
  extensions: [],
  proof: { digest: 'sha256' }
}
const base: DecisionInput = {
  request,
  hasArchivedKey: false,
  requester: alice,
  offered,
  ca: { name: 'Example CA', notAfter: new Date('2035-01-01T00:00:00Z'), recoveryAgents: 3 },
  now: new Date('2030-01-01T00:00:00Z')
}

const named = (name: string, change: Partial<RequestToJudge> = {}): RequestToJudge => ({
  ...request,
  template: { names: [name] },
  ...change
})
/** The signature template changed, offered in place of the built-in one. */
const changed = (change: Partial<CertificateTemplate>): Pick<DecisionInput, 'offered'> => ({
  offered: [{ ...template('UserSignature'), ...change }]
})
const without = (attribute: 'upn' | 'mail' | 'dnsName' | 'guid' | 'distinguishedName', of = alice): Requester => {
  const { [attribute]: _, ...rest } = of
  return rest
}

describe('what is approved', () => {
  it.each<[string, Partial<DecisionInput>]>([
    ['a signature key of a user', {}],
    ['an encryption key of a user with the key to archive', { request: named('UserEncryption'), hasArchivedKey: true }],
    [
      'an elliptic-curve key to archive',
      { request: named('UserEncryption', { publicKey: p256 }), hasArchivedKey: true }
    ],
    ['an Ed25519 signature key', { request: { ...request, publicKey: ed25519 } }],
    ['a computer', { request: named('Computer'), requester: host }],
    ['a member of a group that may enroll at the CA', { ca: { ...base.ca, enroll: ['DOMAIN USERS'] } }],
    ['the same key again for the same principal', { keyOwner: alice.id }],
    [
      'a SHA-1 proof where the template allows it',
      { request: { ...request, proof: { digest: 'sha1' } }, ...changed({ allowSha1ProofOfPossession: true }) }
    ]
  ])('%s', (_what, change) => {
    expect(decide({ ...base, ...change })).toMatchObject({ verdict: 'approve' })
  })
})

describe('what waits for an officer', () => {
  const web = named('WebServer', { extensions: [altNames({ kind: 'dNSName', value: 'www.corp.example' })] })

  it('is a request for a template that has each approved', () => {
    expect(decide({ ...base, request: web, requester: host })).toMatchObject({
      verdict: 'hold',
      template: { name: 'WebServer' }
    })
  })

  it('is not held again once the officer has approved it', () => {
    const decision = decide({ ...base, request: web, requester: host, isApprovedByOfficer: true })
    expect(decision.verdict).toBe('approve')
  })

  it('is still denied after the approval when a check fails', () => {
    const decision = decide({ ...base, request: named('WebServer'), requester: host, isApprovedByOfficer: true })
    expect(decision).toMatchObject({ verdict: 'deny', code: 'subject_missing' })
  })
})

describe('what is denied', () => {
  it.each<[string, string, Partial<DecisionInput>]>([
    ['enroll_denied', 'who is in no group of the CA', { ca: { ...base.ca, enroll: ['PKI Users'] } }],
    ['enroll_denied', 'anybody where the CA lets no group enroll', { ca: { ...base.ca, enroll: [] } }],
    ['template_missing', 'a request without a template', { request: { ...request, template: { names: [] } } }],
    ['template_unknown', 'a template that is not offered', { request: named('Smartcard') }],
    [
      'template_conflict',
      'two templates',
      { request: { ...request, template: { names: ['UserSignature'], oid: template('Computer').oid } } }
    ],
    [
      'template_version',
      'a newer version',
      { request: { ...request, template: { names: [], oid: template('UserSignature').oid, major: 101 } } }
    ],
    ['template_denied', 'who is in no group of the template', { requester: { ...alice, groups: ['Guests'] } }],
    ['template_denied', 'anybody who asks for an exchange certificate', { request: named('CAExchange') }],
    [
      'template_denied',
      'anybody who wants to be a recovery agent',
      { request: named('KeyRecoveryAgent'), requester: { ...alice, groups: ['Domain Users', 'Domain Admins'] } }
    ],
    [
      'template_denied',
      'a user who asks for a computer certificate',
      { request: named('Computer'), requester: { ...alice, groups: ['Domain Computers'] } }
    ],
    [
      'template_denied',
      'a computer that asks for a user certificate',
      { requester: { ...host, groups: ['Domain Users'] } }
    ],
    ['template_unsafe', 'a template without purposes', changed({ extendedKeyUsages: [] })],
    [
      'template_unsafe',
      'a template whose requester names who logs on',
      changed({ subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT })
    ],
    [
      'template_unsafe',
      'a template that suppresses the security identifier',
      changed({ enrollmentFlags: ENROLLMENT_FLAG.NO_SECURITY_EXTENSION })
    ],
    ['template_unsafe', 'a CA for everyone', changed({ generalFlags: GENERAL_FLAG.IS_CA, keyUsage: ['keyCertSign'] })],
    [
      'signature_policy_required',
      'a request without the signatures demanded',
      changed({ raSignatures: 1, raPolicies: ['1.2.3'] })
    ],
    ['key_too_small', 'RSA with 1024 bits', { request: { ...request, publicKey: rsa1024 } }],
    ['key_algorithm_denied', 'a kind of key that is not allowed', changed({ keyAlgorithms: ['P-256'] })],
    [
      'key_algorithm_denied',
      'a key that cannot encrypt for an encryption template',
      { request: named('UserEncryption', { publicKey: ed25519 }), hasArchivedKey: true }
    ],
    ['public_key_unsupported', 'RSA with exponent 3', { request: { ...request, publicKey: rsaExponent3 } }],
    ['legacy_digest_denied', 'a proof made with SHA-1', { request: { ...request, proof: { digest: 'sha1' } } }],
    ['key_in_use', 'a key that is certified for another', { keyOwner: 'someone-else' }],
    ['subject_upn_missing', 'who has no UPN', { requester: without('upn') }],
    ['subject_upn_missing', 'who has a UPN that is none', { requester: { ...alice, upn: 'alice' } }],
    ['subject_email_missing', 'who has no mail address', { requester: without('mail') }],
    ['subject_email_missing', 'whose mail address is none', { requester: { ...alice, mail: 'a@b@c' } }],
    [
      'subject_dns_missing',
      'a computer without a DNS name',
      { request: named('Computer'), requester: without('dnsName', host) }
    ],
    [
      'subject_guid_missing',
      'who has no GUID where one is needed',
      {
        requester: without('guid'),
        ...changed({ subjectNameFlags: SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID })
      }
    ],
    [
      'subject_missing',
      'who has no distinguished name where it is the subject',
      {
        requester: without('distinguishedName'),
        ...changed({ subjectNameFlags: SUBJECT_NAME_FLAG.SUBJECT_REQUIRE_DIRECTORY_PATH })
      }
    ],
    ['subject_missing', 'a request without any name', { request: named('WebServer'), requester: host }],
    [
      'subject_alt_name_required',
      'a TLS server named in the subject alone',
      { request: named('WebServer', { subject: nameOf('CN=www.corp.example') }), requester: host }
    ],
    [
      'subject_too_long',
      'a common name of 65 characters',
      { requester: { ...without('distinguishedName'), displayName: 'x'.repeat(65) } }
    ],
    [
      'x509_structure',
      'an alternative name that is no host name',
      {
        request: named('WebServer', { extensions: [altNames({ kind: 'dNSName', value: 'a b.example' })] }),
        requester: host
      }
    ],
    ['archived_key_required', 'archival without a key', { request: named('UserEncryption') }],
    ['archived_key_unexpected', 'a key where none is archived', { hasArchivedKey: true }],
    [
      'archival_not_configured',
      'archival at a CA that has none',
      {
        request: named('UserEncryption'),
        hasArchivedKey: true,
        ca: { name: 'Example CA', notAfter: base.ca.notAfter }
      }
    ],
    [
      'no_valid_recovery_agent',
      'archival with too few recovery agents',
      { request: named('UserEncryption'), hasArchivedKey: true, ca: { ...base.ca, recoveryAgents: 2 } }
    ],
    ['ca_certificate_invalid', 'everybody once the CA has expired', { now: new Date('2035-01-01T00:00:00Z') }]
  ])('%s: %s', (code, _what, change) => {
    const decision = decide({ ...base, ...change })
    expect(decision).toMatchObject({ verdict: 'deny', code, message: expect.stringMatching(/\.$/) })
  })

  it('tells the template once it is known', () => {
    expect(decide({ ...base, hasArchivedKey: true }).template?.name).toBe('UserSignature')
    expect(decide({ ...base, request: named('Smartcard') }).template).toBeUndefined()
  })

  it('says first that the template is closed to the requester, before it says anything about the request', () => {
    const decision = decide({
      ...base,
      request: named('UserEncryption', { publicKey: rsa1024 }),
      requester: { ...alice, groups: [] }
    })
    expect(decision).toMatchObject({ verdict: 'deny', code: 'template_denied' })
  })
})

describe('a decision', () => {
  it('can be had on a request as it was read from the wire', async () => {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const signer = signerOf(keys.privateKey)
    const named = { oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false }
    const extensions = encodeExtensions([{ ...named, value: encodeCertificateTemplateName('UserSignature') }])
    const bytes = await buildCertificationRequest(
      {
        subject: encodeName([]),
        publicKey: signer.publicKey.raw,
        attributes: [encodeAttribute(OID.extensionRequest, [extensions])]
      },
      signer.scheme,
      info => signer.sign(info)
    )
    expect(decide({ ...base, request: readEnrollmentRequest(bytes) })).toMatchObject({ verdict: 'approve' })
  })

  it('lets a defect through instead of calling it a denial', () => {
    const broken = { ...request, publicKey: undefined as unknown as RequestToJudge['publicKey'] }
    expect(() => decide({ ...base, request: broken })).toThrow(TypeError)
  })
})
