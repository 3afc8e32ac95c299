import { OID } from '@app/oid'
import type { CertificateTemplate } from './certificate-template.js'
import { ENROLLMENT_FLAG, flagWord, GENERAL_FLAG, PRIVATE_KEY_FLAG, SUBJECT_NAME_FLAG } from './flags.js'

const DAY = 86_400
const YEAR = 365 * DAY
const SIX_WEEKS = 42 * DAY

/**
 * The identifiers of the built-in templates: a random UUID each, under the arc that needs no registration (X.667, 7).
 * They stand in every certificate and must never change.
 */
const TEMPLATE_OID = {
  UserEncryption: '2.25.157084424993308739472182454470988279809', // 762d5c1b-2439-40da-8116-2505cf303001
  UserSignature: '2.25.258296273703042627684002669565544427802', // c2520d84-9e17-4b71-b35d-4e53ed0af11a
  WebServer: '2.25.128739000440949695226161724307859048423', // 60da3ac6-cd31-44d2-891a-09a2712407e7
  Computer: '2.25.71043763956403138937922946231553200532', // 357287ff-1e8a-41e3-ad23-59c068c79194
  CAExchange: '2.25.216075074091006092490115487096076428369', // a28e8ba8-b0a7-4254-a269-7c3e0eaee451
  KeyRecoveryAgent: '2.25.186182656819226968946479251508656078498', // 8c1179b3-1e2e-4ca1-b047-fc69f20bfea2
  OCSPResponseSigning: '2.25.287461626130644909978889509952069358799', // d8431869-b10c-4886-a9f2-ddfcfb6cd4cf
  Operator: '2.25.259289342819583758334573192915645140583' // c3114f9b-0d97-47fb-9a49-c8a06e048e67
} as const

const SIGNATURE_PROVIDERS = [{ preference: 1, name: 'Microsoft Software Key Storage Provider' }]

// Schema version 4: a client may choose its key provider, and the algorithm choices have their extended syntax.
const base = {
  schemaVersion: 4,
  majorVersion: 100,
  minorVersion: 1,
  generalFlags: GENERAL_FLAG.IS_DEFAULT,
  enrollmentFlags: 0,
  privateKeyFlags: 0,
  validitySeconds: YEAR,
  overlapSeconds: SIX_WEEKS,
  applicationPolicies: [],
  issuancePolicies: [],
  criticalExtensions: [OID.id_ce_keyUsage],
  maxIssuingDepth: 0,
  cryptographicProviders: SIGNATURE_PROVIDERS,
  minimalKeySize: 2048,
  algorithms: { asymmetricAlgorithm: 'RSA', hashAlgorithm: 'SHA256' },
  raSignatures: 0,
  raPolicies: [],
  raApplicationPolicies: [],
  supersededTemplates: [],
  keyAlgorithms: ['rsa', 'P-256', 'P-384', 'P-521'],
  allowSha1ProofOfPossession: false,
  enroll: [],
  autoEnroll: []
} as const satisfies Partial<CertificateTemplate>

const aes256 = { symmetricAlgorithm: 'AES', symmetricKeyLength: 256 } as const

const userNames = flagWord(
  SUBJECT_NAME_FLAG.SUBJECT_REQUIRE_COMMON_NAME,
  SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_UPN,
  SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_EMAIL
)

const userEncryption: CertificateTemplate = {
  ...base,
  name: 'UserEncryption',
  displayName: 'User Encryption (archived key)',
  oid: TEMPLATE_OID.UserEncryption,
  // 1 had two agents of whom each opens a key alone; installations that have it keep it.
  minorVersion: 2,
  enrollmentFlags: ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS,
  privateKeyFlags: flagWord(PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL, PRIVATE_KEY_FLAG.EXPORTABLE_KEY),
  subjectNameFlags: userNames,
  keyUsage: ['keyEncipherment', 'keyAgreement'],
  extendedKeyUsages: [OID.id_kp_emailProtection, OID.szOID_EFS_CRYPTO],
  keySpec: 1,
  algorithms: { ...base.algorithms, ...aes256 },
  enroll: ['Domain Users'],
  archival: { mode: 'threshold', agentCount: 3, threshold: 2 }
}

const userSignature: CertificateTemplate = {
  ...base,
  name: 'UserSignature',
  displayName: 'User Signature',
  oid: TEMPLATE_OID.UserSignature,
  subjectNameFlags: userNames,
  keyUsage: ['digitalSignature'],
  extendedKeyUsages: [OID.id_kp_clientAuth, OID.id_kp_emailProtection],
  keySpec: 2,
  keyAlgorithms: ['rsa', 'P-256', 'P-384', 'P-521', 'ed25519'],
  enroll: ['Domain Users']
}

const webServer: CertificateTemplate = {
  ...base,
  name: 'WebServer',
  displayName: 'Web Server',
  oid: TEMPLATE_OID.WebServer,
  generalFlags: flagWord(GENERAL_FLAG.IS_DEFAULT, GENERAL_FLAG.MACHINE_TYPE),
  enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS,
  subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT,
  keyUsage: ['digitalSignature', 'keyEncipherment'],
  extendedKeyUsages: [OID.id_kp_serverAuth],
  keySpec: 1,
  enroll: ['Domain Computers']
}

const computer: CertificateTemplate = {
  ...base,
  name: 'Computer',
  displayName: 'Computer',
  oid: TEMPLATE_OID.Computer,
  generalFlags: flagWord(GENERAL_FLAG.IS_DEFAULT, GENERAL_FLAG.MACHINE_TYPE, GENERAL_FLAG.AUTO_ENROLLMENT),
  enrollmentFlags: ENROLLMENT_FLAG.AUTO_ENROLLMENT,
  subjectNameFlags: flagWord(SUBJECT_NAME_FLAG.SUBJECT_REQUIRE_DNS_AS_CN, SUBJECT_NAME_FLAG.SUBJECT_ALT_REQUIRE_DNS),
  keyUsage: ['digitalSignature', 'keyEncipherment'],
  extendedKeyUsages: [OID.id_kp_clientAuth, OID.id_kp_serverAuth],
  keySpec: 1,
  enroll: ['Domain Computers'],
  autoEnroll: ['Domain Computers']
}

// Schema version 2 and the template's name, as Microsoft CAs stamp them on their exchange certificates.
const caExchange: CertificateTemplate = {
  ...base,
  name: 'CAExchange',
  displayName: 'CA Exchange',
  oid: TEMPLATE_OID.CAExchange,
  schemaVersion: 2,
  generalFlags: flagWord(GENERAL_FLAG.IS_DEFAULT, GENERAL_FLAG.MACHINE_TYPE, GENERAL_FLAG.ADD_TEMPLATE_NAME),
  subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT,
  validitySeconds: 7 * DAY,
  overlapSeconds: DAY,
  keyUsage: ['keyEncipherment'],
  extendedKeyUsages: [OID.szOID_KP_CA_EXCHANGE],
  keySpec: 1,
  keyAlgorithms: ['rsa']
}

const keyRecoveryAgent: CertificateTemplate = {
  ...base,
  name: 'KeyRecoveryAgent',
  displayName: 'Key Recovery Agent',
  oid: TEMPLATE_OID.KeyRecoveryAgent,
  enrollmentFlags: flagWord(ENROLLMENT_FLAG.PEND_ALL_REQUESTS, ENROLLMENT_FLAG.PUBLISH_TO_KRA_CONTAINER),
  subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT,
  validitySeconds: 2 * YEAR,
  keyUsage: ['keyEncipherment'],
  extendedKeyUsages: [OID.szOID_KP_KEY_RECOVERY_AGENT],
  keySpec: 1,
  keyAlgorithms: ['rsa']
}

const ocspResponseSigning: CertificateTemplate = {
  ...base,
  name: 'OCSPResponseSigning',
  displayName: 'OCSP Response Signing',
  oid: TEMPLATE_OID.OCSPResponseSigning,
  generalFlags: flagWord(GENERAL_FLAG.IS_DEFAULT, GENERAL_FLAG.MACHINE_TYPE),
  enrollmentFlags: ENROLLMENT_FLAG.ADD_OCSP_NOCHECK,
  subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT,
  validitySeconds: 7 * DAY,
  overlapSeconds: DAY,
  keyUsage: ['digitalSignature'],
  extendedKeyUsages: [OID.id_kp_OCSPSigning],
  keySpec: 2,
  minimalKeySize: 256,
  algorithms: { asymmetricAlgorithm: 'ECDSA_P256', hashAlgorithm: 'SHA256' },
  keyAlgorithms: ['P-256']
}

// What operators sign in with. Who holds a role is in the group, and nobody else; the name is the directory's.
const operator: CertificateTemplate = {
  ...base,
  name: 'Operator',
  displayName: 'Operator of the Console',
  oid: TEMPLATE_OID.Operator,
  subjectNameFlags: SUBJECT_NAME_FLAG.SUBJECT_REQUIRE_COMMON_NAME,
  keyUsage: ['digitalSignature'],
  extendedKeyUsages: [OID.id_kp_clientAuth],
  keySpec: 2,
  keyAlgorithms: ['rsa', 'P-256', 'P-384', 'P-521', 'ed25519'],
  enroll: ['Certkeep Operators']
}

/**
 * The templates of a new installation. `CAExchange`, `KeyRecoveryAgent` and `OCSPResponseSigning` let nobody enroll over
 * the network: the first and the last are used by the installation for itself, the second by an operator who makes a
 * recovery agent.
 */
export function builtInTemplates(): CertificateTemplate[] {
  return [
    userEncryption,
    userSignature,
    webServer,
    computer,
    caExchange,
    keyRecoveryAgent,
    ocspResponseSigning,
    operator
  ]
}

/** The built-in template of CA exchange certificates (MS-WCCE 3.2.1.4.3.2.15). */
export const CA_EXCHANGE_TEMPLATE: CertificateTemplate = caExchange

/** The built-in template of recovery agents' certificates (MS-WCCE 3.2.2.6.2.1.3). */
export const KEY_RECOVERY_AGENT_TEMPLATE: CertificateTemplate = keyRecoveryAgent

/** The built-in template of TLS servers' certificates. */
export const WEB_SERVER_TEMPLATE: CertificateTemplate = webServer

/** The built-in template of delegated OCSP responders (RFC 6960, 4.2.2.2). */
export const OCSP_RESPONSE_SIGNING_TEMPLATE: CertificateTemplate = ocspResponseSigning
