import { ENROLLMENT_FLAG, GENERAL_FLAG, isFlagSet, PRIVATE_KEY_FLAG, SUBJECT_NAME_FLAG } from './flags.js'
import { explainFlags, FLAG_MEMBERS } from './flag-meanings.js'
import { keyUsageFor } from './key-usage.js'
import type { TemplateRule } from './template-rule.js'
import { isForCa, isSubjectFromRequest } from './template-traits.js'

const MIN_RSA_BITS = 2048

/** Every bit that gives a certificate a name out of the directory. */
const DIRECTORY_NAMES = Object.entries(SUBJECT_NAME_FLAG)
  .filter(([flag]) => flag.includes('_REQUIRE_'))
  .reduce((word, [, bit]) => word | bit, 0)

/** What certificates made from a template would say, and with which algorithms. */
export const contentRules: readonly TemplateRule[] = [
  {
    rule: 'weak-hash',
    severity: 'error',
    where: ['algorithms'],
    remedy: 'Set hashAlgorithm to "SHA256" or stronger.',
    check: ({ algorithms }) =>
      algorithms.hashAlgorithm !== undefined && /^(?:MD[245]|SHA-?1)$/i.test(algorithms.hashAlgorithm)
        ? `Clients are told to sign with ${algorithms.hashAlgorithm}.`
        : undefined
  },
  {
    rule: 'weak-key',
    severity: 'error',
    where: ['minimalKeySize', 'keyAlgorithms'],
    remedy: `Set minimalKeySize to ${MIN_RSA_BITS} or more.`,
    check: template =>
      template.keyAlgorithms.includes('rsa') && template.minimalKeySize < MIN_RSA_BITS
        ? `RSA keys of ${template.minimalKeySize} bits are accepted.`
        : undefined
  },
  {
    rule: 'sha1-proof',
    severity: 'warning',
    where: ['allowSha1ProofOfPossession'],
    remedy: 'Clear allowSha1ProofOfPossession once no legacy client is left.',
    check: template =>
      template.allowSha1ProofOfPossession ? 'Proofs of possession made with SHA-1 are accepted.' : undefined
  },
  {
    rule: 'purposes-differ',
    severity: 'error',
    where: ['applicationPolicies', 'extendedKeyUsages'],
    remedy: 'Clear applicationPolicies, or list the same identifiers in both.',
    check: ({ applicationPolicies, extendedKeyUsages }) => {
      const isSame = applicationPolicies.toSorted().join() === extendedKeyUsages.toSorted().join()
      return applicationPolicies.length === 0 || isSame
        ? undefined
        : 'The application policies are not the extended key usages, and Windows heeds only the former.'
    }
  },
  {
    rule: 'key-usage',
    severity: 'error',
    where: ['keyUsage', 'keyAlgorithms'],
    remedy: 'Set a key usage that the allowed kinds of keys are able to fulfil, or allow other kinds of keys.',
    check: template => {
      const useless = template.keyAlgorithms.filter(
        algorithm =>
          keyUsageFor(template, algorithm === 'rsa' || algorithm === 'ed25519' ? algorithm : 'ec').length === 0
      )
      return useless.length > 0
        ? `Nothing would be left of the key usage for keys of ${useless.join(', ')}.`
        : undefined
    }
  },
  {
    rule: 'ca-key-usage',
    severity: 'error',
    where: ['keyUsage', 'generalFlags'],
    remedy: 'Set keyCertSign exactly on templates for CAs (general flag 0x80).',
    check: template => {
      const signsCertificates = template.keyUsage.includes('keyCertSign')
      if (isForCa(template) === signsCertificates) return undefined
      return signsCertificates ? 'Certificates of end entities may sign certificates.' : 'A CA could not sign.'
    }
  },
  {
    rule: 'no-name',
    severity: 'error',
    where: ['subjectNameFlags'],
    remedy: 'Set at least one name flag.',
    check: template =>
      !isSubjectFromRequest(template) && !isFlagSet(template.subjectNameFlags, DIRECTORY_NAMES)
        ? 'The certificates would have neither a subject nor a subject alternative name.'
        : undefined
  },
  {
    rule: 'attestation',
    severity: 'error',
    where: ['privateKeyFlags'],
    remedy: 'Clear the private-key flag ATTEST_REQUIRED (0x2000); attestation of keys is not verified here.',
    check: template =>
      isFlagSet(template.privateKeyFlags, PRIVATE_KEY_FLAG.ATTEST_REQUIRED)
        ? 'The template demands that keys are attested, which this CA cannot verify.'
        : undefined
  },
  {
    rule: 'cross-ca',
    severity: 'error',
    where: ['generalFlags'],
    remedy: 'Clear the general flag IS_CROSS_CA (0x800); cross certificates are not issued from templates.',
    check: template =>
      isFlagSet(template.generalFlags, GENERAL_FLAG.IS_CROSS_CA)
        ? 'The template is for cross certificates, which this CA does not issue.'
        : undefined
  },
  {
    rule: 'supersedes-itself',
    severity: 'warning',
    where: ['supersededTemplates'],
    remedy: 'Take the template out of its own list of superseded templates.',
    check: ({ name, supersededTemplates }) =>
      supersededTemplates.some(other => other.toLowerCase() === name.toLowerCase())
        ? 'The template supersedes itself, so that its clients would renew for ever.'
        : undefined
  },
  {
    rule: 'unknown-flags',
    severity: 'warning',
    where: ['generalFlags', 'enrollmentFlags', 'privateKeyFlags', 'subjectNameFlags'],
    remedy: 'Clear the bits that MS-CRTD does not define.',
    check: template => {
      const unknown = FLAG_MEMBERS.flatMap(member =>
        explainFlags(member, template[member])
          .filter(({ name }) => name === undefined)
          .map(({ flag }) => `${member} ${flag}`)
      )
      return unknown.length > 0 ? `Bits without a meaning are set: ${unknown.join(', ')}.` : undefined
    }
  },
  {
    rule: 'ignored-flags',
    severity: 'warning',
    where: ['generalFlags', 'enrollmentFlags', 'privateKeyFlags', 'subjectNameFlags'],
    remedy: 'Clear these flags, so that nobody relies on them.',
    check: template => {
      const ignored: string[] = IGNORED.filter(({ member, bit }) => isFlagSet(template[member], bit)).map(
        ({ name }) => name
      )
      const mixes = isSubjectFromRequest(template) && isFlagSet(template.subjectNameFlags, DIRECTORY_NAMES)
      if (mixes) ignored.push('the directory names, since the requester supplies the subject')
      return ignored.length > 0 ? `Has no effect: ${ignored.join(', ')}.` : undefined
    }
  }
]

const IGNORED = [
  {
    member: 'subjectNameFlags',
    bit: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT_ALT_NAME,
    name: 'ENROLLEE_SUPPLIES_SUBJECT_ALT_NAME'
  },
  {
    member: 'enrollmentFlags',
    bit: ENROLLMENT_FLAG.ISSUANCE_POLICIES_FROM_REQUEST,
    name: 'ISSUANCE_POLICIES_FROM_REQUEST'
  },
  { member: 'generalFlags', bit: GENERAL_FLAG.DO_NOT_PERSIST_IN_DB, name: 'DO_NOT_PERSIST_IN_DB' },
  { member: 'privateKeyFlags', bit: PRIVATE_KEY_FLAG.ATTEST_PREFERRED, name: 'ATTEST_PREFERRED' }
] as const
