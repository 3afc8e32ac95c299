import { ENROLLMENT_FLAG as E, GENERAL_FLAG as G, PRIVATE_KEY_FLAG as P, SUBJECT_NAME_FLAG as S } from './flags.js'

/** The members of a template that are flag words. */
export const FLAG_MEMBERS = ['generalFlags', 'enrollmentFlags', 'privateKeyFlags', 'subjectNameFlags'] as const

/** A member of {@link FLAG_MEMBERS}. */
export type FlagMember = (typeof FLAG_MEMBERS)[number]

/**
 * Who heeds a flag: the CA when it issues, the client by itself (the CA passes the flag on and does nothing), nobody
 * here, or the linter, which refuses a template that has it.
 */
export type FlagHeeder = 'ca' | 'client' | 'nobody' | 'refused'

/** One flag that is set: what it is called, who heeds it, and what that does here. */
export interface ExplainedFlag {
  /** In hexadecimal. */
  readonly flag: string
  /** Undefined for a bit that MS-CRTD does not define. */
  readonly name?: string
  readonly heededBy: FlagHeeder
  readonly meaning: string
}

type Meaning = readonly [heededBy: FlagHeeder, meaning: string]
type MeaningsOf<Flags> = Readonly<Record<keyof Flags, Meaning>>

const GENERAL: MeaningsOf<typeof G> = {
  AUTO_ENROLLMENT: ['client', 'Clients of computers enroll by themselves.'],
  MACHINE_TYPE: ['ca', 'For computers: a user may not enroll unless the names come from the request.'],
  IS_CA: ['ca', 'Makes CA certificates: basic constraints say CA:TRUE with the path length of maxIssuingDepth.'],
  ADD_TEMPLATE_NAME: ['ca', 'The certificate has the name of the template in the extension 1.3.6.1.4.1.311.20.2.'],
  IS_CROSS_CA: ['refused', 'Makes cross certificates, which are not issued from templates here.'],
  DO_NOT_PERSIST_IN_DB: ['nobody', 'AD CS would keep no record of the request; here every request is recorded.'],
  IS_DEFAULT: ['client', 'The template came with the installation.'],
  IS_MODIFIED: ['client', 'The template was changed since.']
}

const ENROLLMENT: MeaningsOf<typeof E> = {
  INCLUDE_SYMMETRIC_ALGORITHMS: ['ca', 'The certificate has the S/MIME capabilities AES-256, AES-192 and AES-128.'],
  PEND_ALL_REQUESTS: ['ca', 'Every request waits for an officer.'],
  PUBLISH_TO_KRA_CONTAINER: ['client', 'The certificate is for a recovery agent; "agent add" publishes it here.'],
  PUBLISH_TO_DS: [
    'ca',
    'The certificate is published to the account (userCertificate), here and in a directory of the settings.'
  ],
  AUTO_ENROLLMENT_CHECK_USER_DS_CERTIFICATE: [
    'client',
    'A client does not enroll by itself while the account in AD has a certificate of the template.'
  ],
  AUTO_ENROLLMENT: ['client', 'Clients of the groups in autoEnroll enroll by themselves.'],
  PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT: [
    'ca',
    'A renewal with the same names, by a certificate of the same template, needs no approval and no registration authority again.'
  ],
  USER_INTERACTION_REQUIRED: ['client', 'The client asks its user before it enrolls.'],
  REMOVE_INVALID_CERTIFICATE_FROM_PERSONAL_STORE: ['client', 'The client removes certificates that have ended.'],
  ALLOW_ENROLL_ON_BEHALF_OF: ['ca', 'Enrollment agents may request for others, within what the CA lets each agent do.'],
  ADD_OCSP_NOCHECK: ['ca', 'An OCSP signer has the extension id-pkix-ocsp-nocheck and names no revocation sources.'],
  ENABLE_KEY_REUSE_ON_NT_TOKEN_KEYSET_STORAGE_FULL: ['client', 'The client keeps its key when its token is full.'],
  NO_REVOCATION_INFO: ['ca', 'The certificate names neither CRLs nor OCSP responders.'],
  BASIC_CONSTRAINTS_FOR_EE: ['ca', 'The certificate of an end entity has basic constraints, which say CA:FALSE.'],
  ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL: [
    'ca',
    'The signature of the former key may stand for the credential of who sends a renewal.'
  ],
  ISSUANCE_POLICIES_FROM_REQUEST: ['nobody', 'AD CS would take issuance policies from the request.'],
  SKIP_AUTO_RENEWAL: ['client', 'The client does not renew by itself.'],
  NO_SECURITY_EXTENSION: ['refused', 'AD CS would leave the security identifier out of the certificate (ESC9).']
}

const PRIVATE_KEY: MeaningsOf<typeof P> = {
  REQUIRE_PRIVATE_KEY_ARCHIVAL: ['ca', 'The private key is archived, or nothing is issued.'],
  EXPORTABLE_KEY: ['client', 'The client makes a key that can be exported.'],
  STRONG_KEY_PROTECTION_REQUIRED: ['client', 'The client asks its user whenever the key is used.'],
  REQUIRE_ALTERNATE_SIGNATURE_ALGORITHM: ['client', 'The client signs its request with RSASSA-PSS.'],
  REQUIRE_SAME_KEY_RENEWAL: ['ca', 'A renewal must be for the key of the certificate that it renews.'],
  USE_LEGACY_PROVIDER: ['client', 'The client makes its key with CryptoAPI instead of CNG.'],
  EK_TRUST_ON_USE: ['nobody', 'Of key attestation, which is not verified here.'],
  EK_VALIDATE_CERT: ['nobody', 'Of key attestation, which is not verified here.'],
  EK_VALIDATE_KEY: ['nobody', 'Of key attestation, which is not verified here.'],
  ATTEST_PREFERRED: ['nobody', 'AD CS would verify an attestation that a client gives.'],
  ATTEST_REQUIRED: ['refused', 'AD CS would issue for attested keys only; attestation is not verified here.'],
  ATTESTATION_WITHOUT_POLICY: ['nobody', 'Of key attestation, which is not verified here.'],
  SERVER_VERSION_MASK: ['client', 'The oldest Windows Server that the template was made for.'],
  HELLO_LOGON_KEY: ['client', 'The client makes the key in Windows Hello.'],
  CLIENT_VERSION_MASK: ['client', 'The oldest Windows client that the template was made for.']
}

const SUBJECT_NAME: MeaningsOf<typeof S> = {
  ENROLLEE_SUPPLIES_SUBJECT: [
    'ca',
    'Subject and alternative names are those of the request; those of the directory are not used.'
  ],
  OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME: [
    'ca',
    'A renewal takes the names from the certificate that it renews, where others take them from the request.'
  ],
  ENROLLEE_SUPPLIES_SUBJECT_ALT_NAME: ['nobody', 'By itself it lets no requester supply alternative names.'],
  SUBJECT_ALT_REQUIRE_DOMAIN_DNS: ['ca', 'The DNS name of the domain is an alternative name.'],
  SUBJECT_ALT_REQUIRE_SPN: ['ca', 'The user principal name is an alternative name, as with the flag for it.'],
  SUBJECT_ALT_REQUIRE_DIRECTORY_GUID: ['ca', 'The GUID of the directory is an alternative name.'],
  SUBJECT_ALT_REQUIRE_UPN: ['ca', 'The user principal name is an alternative name.'],
  SUBJECT_ALT_REQUIRE_EMAIL: ['ca', 'The mail address is an alternative name.'],
  SUBJECT_ALT_REQUIRE_DNS: ['ca', 'The DNS name is an alternative name.'],
  SUBJECT_REQUIRE_DNS_AS_CN: ['ca', 'The DNS name is the common name of the subject.'],
  SUBJECT_REQUIRE_EMAIL: ['ca', 'The mail address is in the subject.'],
  SUBJECT_REQUIRE_COMMON_NAME: ['ca', 'The common name of the account is the subject.'],
  SUBJECT_REQUIRE_DIRECTORY_PATH: ['ca', 'The distinguished name of the account is the subject.']
}

const WORDS: Readonly<
  Record<FlagMember, readonly [Readonly<Record<string, number>>, Readonly<Record<string, Meaning>>]>
> = {
  generalFlags: [G, GENERAL],
  enrollmentFlags: [E, ENROLLMENT],
  privateKeyFlags: [P, PRIVATE_KEY],
  subjectNameFlags: [S, SUBJECT_NAME]
}

// MS-CRTD 2.4 reserves these bits of `flags`: older templates have them and nothing follows.
const RESERVED: Readonly<Partial<Record<FlagMember, number>>> = { generalFlags: 0x2 | 0x8 | 0x10 }

/** Each flag that is set in a word, from the lowest bit on; a version field counts as one. */
export function explainFlags(member: FlagMember, word: number): ExplainedFlag[] {
  const [bits, meanings] = WORDS[member]
  const known = Object.entries(bits).flatMap(([name, bit]) => {
    const value = (word & bit) >>> 0
    if (value === 0) return []
    const [heededBy, meaning] = meanings[name] as Meaning
    return [{ value, flag: hex(value), name, heededBy, meaning }]
  })
  const defined = Object.values(bits).reduce((all, bit) => all | bit, RESERVED[member] ?? 0)
  const unknown = (word & ~defined) >>> 0
  const undefinedBits = Array.from({ length: 32 }, (_, bit) => (unknown & (1 << bit)) >>> 0)
    .filter(value => value !== 0)
    .map(value => ({
      value,
      flag: hex(value),
      heededBy: 'nobody' as const,
      meaning: 'MS-CRTD does not define this bit.'
    }))
  return [...known, ...undefinedBits]
    .toSorted((a, b) => a.value - b.value)
    .map(({ value: _value, ...explained }) => explained)
}

/** Every flag of a word that MS-CRTD defines, whether set or not. */
export function everyFlag(member: FlagMember): ExplainedFlag[] {
  return explainFlags(
    member,
    Object.values(WORDS[member][0]).reduce((all, bit) => (all | bit) >>> 0, 0)
  )
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
