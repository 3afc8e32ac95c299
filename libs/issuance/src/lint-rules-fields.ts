import { equalBytes } from '@app/core'
import { encodeNull, TAG } from '@app/der'
import { OID } from '@app/oid'
import type { LintRule } from './lint-rule.js'
import type { TimeFact } from './tbs-facts.js'

const MIN_RSA_BITS = 2048
const MIN_RSA_EXPONENT = 65_537n
const MIN_SERIAL_OCTETS = 8
const MAX_SERIAL_OCTETS = 20
/** The end of the years in which 112 bits of security, RSA with 2048 bits, are acceptable. */
const END_OF_112_BITS = new Date('2031-01-01T00:00:00Z')
const MIN_RSA_BITS_AFTER = 3072
/** Longest life of an S/MIME certificate. */
const MAX_MAIL_DAYS = 1185
const DAY = 86_400_000

const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  OID.sha256WithRSAEncryption,
  OID.sha384WithRSAEncryption,
  OID.sha512WithRSAEncryption,
  OID.ecdsa_with_SHA256,
  OID.ecdsa_with_SHA384,
  OID.ecdsa_with_SHA512,
  OID.id_Ed25519
])

const RSA_SIGNATURES: ReadonlySet<string> = new Set([
  OID.sha1WithRSAEncryption,
  OID.sha256WithRSAEncryption,
  OID.sha384WithRSAEncryption,
  OID.sha512WithRSAEncryption
])
const NULL = encodeNull()

/** The fields of a certificate that are not names, usages or extensions. */
export const fieldRules: readonly LintRule[] = [
  {
    id: 'version',
    citation: 'RFC 5280, 4.1.2.1',
    severity: 'error',
    check: ({ version }) => (version === 3 ? undefined : `The version is ${version}, and only 3 has extensions.`)
  },
  {
    id: 'serial-positive',
    citation: 'RFC 5280, 4.1.2.2',
    severity: 'error',
    check: ({ serialNumber: [first = 0x80, ...rest] }) =>
      first >= 0x80 || (first === 0 && rest.length === 0) ? 'The serial number is not positive.' : undefined
  },
  {
    id: 'serial-minimal',
    citation: 'X.690, 8.3.2',
    severity: 'error',
    check: ({ serialNumber: [first, second] }) =>
      first === 0 && second !== undefined && second < 0x80
        ? 'The serial number has a superfluous leading octet.'
        : undefined
  },
  {
    id: 'serial-length',
    citation: 'RFC 5280, 4.1.2.2',
    severity: 'error',
    check: ({ serialNumber }) =>
      serialNumber.length > MAX_SERIAL_OCTETS
        ? `The serial number has ${serialNumber.length} octets; at most ${MAX_SERIAL_OCTETS} are allowed.`
        : undefined
  },
  {
    id: 'serial-entropy',
    citation: 'CA/Browser Forum Baseline Requirements, 7.1',
    severity: 'error',
    check: ({ serialNumber }) =>
      serialNumber.length < MIN_SERIAL_OCTETS ? 'The serial number is too short to hold 64 random bits.' : undefined
  },
  {
    id: 'signature-algorithm',
    citation: 'NIST SP 800-131A rev. 2, 3 and 9',
    severity: 'error',
    check: ({ signatureAlgorithm: { oid } }) =>
      SIGNATURE_ALGORITHMS.has(oid) ? undefined : `The signature algorithm ${oid} is not one that may be used.`
  },
  {
    id: 'signature-parameters',
    citation: 'RFC 4055, 5; RFC 5758, 3.2; RFC 8410, 3',
    severity: 'error',
    check: ({ signatureAlgorithm: { oid, parameters } }) => {
      const isRight = RSA_SIGNATURES.has(oid)
        ? parameters !== undefined && equalBytes(parameters, NULL)
        : parameters === undefined
      return isRight ? undefined : 'The signature algorithm has parameters that it must not have, or lacks NULL.'
    }
  },
  {
    id: 'unique-identifiers',
    citation: 'RFC 5280, 4.1.2.8',
    severity: 'error',
    check: ({ hasUniqueIdentifiers }) =>
      hasUniqueIdentifiers ? 'A conforming CA does not write unique identifiers.' : undefined
  },
  {
    id: 'validity-order',
    citation: 'RFC 5280, 4.1.2.5',
    severity: 'error',
    check: ({ notBefore, notAfter }) =>
      notBefore.date < notAfter.date ? undefined : 'The validity ends before it begins.'
  },
  {
    id: 'validity-form',
    citation: 'RFC 5280, 4.1.2.5',
    severity: 'error',
    check: ({ notBefore, notAfter }) =>
      [notBefore, notAfter].every(isInRightForm)
        ? undefined
        : 'A time until 2049 must be a UTCTime, one from 2050 on a GeneralizedTime.'
  },
  {
    id: 'key-size',
    citation: 'NIST SP 800-131A rev. 2, 3',
    severity: 'error',
    check: ({ publicKey }) =>
      publicKey.algorithm === 'rsa' && publicKey.bits < MIN_RSA_BITS
        ? `The RSA key has ${publicKey.bits} bits; at least ${MIN_RSA_BITS} are demanded.`
        : undefined
  },
  {
    id: 'key-exponent',
    citation: 'NIST SP 800-56B rev. 2, 6.2',
    severity: 'error',
    check: ({ publicKey: { publicExponent } }) =>
      publicExponent !== undefined && publicExponent < MIN_RSA_EXPONENT
        ? `The RSA exponent is ${publicExponent}; at least ${MIN_RSA_EXPONENT} is demanded.`
        : undefined
  },
  {
    id: 'key-octets',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 6.1.5',
    severity: 'error',
    check: ({ publicKey }) =>
      publicKey.algorithm === 'rsa' && publicKey.bits % 8 !== 0
        ? `The RSA modulus has ${publicKey.bits} bits, which are not whole octets.`
        : undefined
  },
  {
    id: 'key-strength-ca',
    citation: 'NIST SP 800-57 part 1 rev. 5, 5.6.3',
    severity: 'warning',
    check: ({ isCa, notAfter, publicKey }) =>
      isCa && publicKey.algorithm === 'rsa' && publicKey.bits < MIN_RSA_BITS_AFTER && notAfter.date > END_OF_112_BITS
        ? `The CA signs beyond 2030 with an RSA key of ${publicKey.bits} bits; ${MIN_RSA_BITS_AFTER} are recommended.`
        : undefined
  },
  {
    id: 'validity-mail',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 6.3.2',
    severity: 'warning',
    check: ({ extendedKeyUsage = [], isCa, notBefore, notAfter }) =>
      !isCa &&
      extendedKeyUsage.includes(OID.id_kp_emailProtection) &&
      notAfter.date.getTime() - notBefore.date.getTime() > MAX_MAIL_DAYS * DAY
        ? `The certificate is for mail and lasts longer than ${MAX_MAIL_DAYS} days.`
        : undefined
  }
]

function isInRightForm({ tag, date }: TimeFact): boolean {
  return (tag === TAG.generalizedTime) === date.getUTCFullYear() >= 2050
}
