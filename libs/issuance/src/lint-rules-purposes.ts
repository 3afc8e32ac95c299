import { OID } from '@app/oid'
import { AUTHENTICATION_USAGES } from '@app/templates'
import type { LintRule } from './lint-rule.js'
import type { TbsFacts } from './tbs-facts.js'

const DAY = 86_400_000
/** A signer of OCSP answers that nobody asks the state of is replaced within this time. */
const MAX_UNCHECKED_DAYS = 90
/** An exchange certificate lasts a week, and ten minutes for slow clocks. */
const MAX_EXCHANGE_DAYS = 31

/** Purposes that a certificate has alone, and what it then is. */
const ALONE: readonly (readonly [oid: string, name: string])[] = [
  [OID.id_kp_OCSPSigning, 'An OCSP signer'],
  [OID.id_kp_timeStamping, 'A time stamping authority'],
  [OID.szOID_KP_CA_EXCHANGE, 'An exchange certificate'],
  [OID.szOID_KP_KEY_RECOVERY_AGENT, 'A recovery agent']
]

/** Certificates for one purpose: OCSP signers, time stamps, exchange certificates, recovery and enrollment agents. */
export const purposeRules: readonly LintRule[] = [
  {
    id: 'purpose-alone',
    citation: 'RFC 3161, 2.3; CA/Browser Forum Baseline Requirements, 7.1.2.8.5; MS-WCCE 3.2.1.4.3.2.15',
    severity: 'error',
    check: ({ isCa, extendedKeyUsage = [] }) => {
      const mixed = ALONE.find(([oid]) => !isCa && extendedKeyUsage.length > 1 && extendedKeyUsage.includes(oid))
      return mixed === undefined ? undefined : `${mixed[1]} has other purposes too.`
    }
  },
  {
    id: 'purpose-time-stamping',
    citation: 'RFC 3161, 2.3',
    severity: 'error',
    check: facts =>
      isFor(facts, OID.id_kp_timeStamping) && facts.byOid.get(OID.id_ce_extKeyUsage)?.critical === false
        ? 'The extended key usage of a time stamping authority is not critical.'
        : undefined
  },
  {
    id: 'purpose-mail',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.3, f',
    severity: 'error',
    check: facts =>
      isFor(facts, OID.id_kp_emailProtection) &&
      [OID.id_kp_serverAuth, OID.id_kp_codeSigning].some(oid => isFor(facts, oid))
        ? 'A certificate for mail is for servers or code too.'
        : undefined
  },
  {
    id: 'purpose-code',
    citation: 'CA/Browser Forum Code Signing Baseline Requirements, 7.1.2.3, f',
    severity: 'error',
    check: facts =>
      isFor(facts, OID.id_kp_codeSigning) && isFor(facts, OID.id_kp_serverAuth)
        ? 'A certificate for signing code is for servers too.'
        : undefined
  },
  {
    id: 'purpose-enrollment-agent',
    citation: 'MS-WCCE 3.2.2.6.2.1.4',
    severity: 'warning',
    check: facts =>
      isFor(facts, OID.szOID_ENROLLMENT_AGENT) && (facts.extendedKeyUsage?.length ?? 0) > 1
        ? 'Who may enroll for others has a certificate with other purposes too.'
        : undefined
  },
  {
    id: 'ocsp-no-check',
    citation: 'RFC 6960, 4.2.2.2.1',
    severity: 'error',
    check: facts =>
      facts.byOid.has(OID.id_pkix_ocsp_nocheck) && !isFor(facts, OID.id_kp_OCSPSigning)
        ? 'Nobody is to ask whether the certificate is revoked, and it is none of an OCSP responder.'
        : undefined
  },
  {
    id: 'ocsp-no-check-value',
    citation: 'RFC 6960, 4.2.2.2.1',
    severity: 'error',
    check: ({ byOid }) => {
      const value = byOid.get(OID.id_pkix_ocsp_nocheck)?.value
      return value === undefined || (value.length === 2 && value[0] === 0x05 && value[1] === 0)
        ? undefined
        : 'The value of id-pkix-ocsp-nocheck is not NULL.'
    }
  },
  {
    id: 'ocsp-no-check-life',
    citation: 'RFC 6960, 4.2.2.2.1',
    severity: 'warning',
    check: facts =>
      facts.byOid.has(OID.id_pkix_ocsp_nocheck) && daysOf(facts) > MAX_UNCHECKED_DAYS
        ? `An OCSP responder that nobody asks the state of lasts longer than ${MAX_UNCHECKED_DAYS} days.`
        : undefined
  },
  {
    id: 'ocsp-signer-revocation',
    citation: 'RFC 6960, 4.2.2.2.1',
    severity: 'warning',
    check: facts =>
      isFor(facts, OID.id_kp_OCSPSigning) &&
      !facts.byOid.has(OID.id_pkix_ocsp_nocheck) &&
      (facts.access?.ocsp.length ?? 0) > 0
        ? 'The state of an OCSP responder can be asked of itself alone.'
        : undefined
  },
  {
    id: 'exchange-key',
    citation: 'MS-WCCE 3.2.1.4.3.2.15',
    severity: 'error',
    check: facts =>
      isFor(facts, OID.szOID_KP_CA_EXCHANGE) && facts.publicKey.algorithm !== 'rsa'
        ? 'Clients cannot wrap a key to an exchange certificate whose key is not RSA.'
        : undefined
  },
  {
    id: 'exchange-life',
    citation: 'MS-WCCE 3.2.1.4.3.2.15',
    severity: 'warning',
    check: facts =>
      isFor(facts, OID.szOID_KP_CA_EXCHANGE) && daysOf(facts) > MAX_EXCHANGE_DAYS
        ? `An exchange certificate lasts longer than ${MAX_EXCHANGE_DAYS} days.`
        : undefined
  },
  {
    id: 'exchange-signs',
    citation: 'MS-WCCE 3.2.1.4.3.2.15 and 3.2.2.6.2.1.3',
    severity: 'error',
    check: facts =>
      [OID.szOID_KP_CA_EXCHANGE, OID.szOID_KP_KEY_RECOVERY_AGENT].some(oid => isFor(facts, oid)) &&
      (facts.keyUsage?.has('digitalSignature') === true || facts.keyUsage?.has('nonRepudiation') === true)
        ? 'A key that others wrap keys to signs too.'
        : undefined
  },
  {
    id: 'account-identifier',
    citation: 'MS-WCCE 2.2.2.7.7.4; MS-PKCA 3.1.5.2.1',
    severity: 'warning',
    check: ({ isCa, byOid, altNames = [], extendedKeyUsage = [] }) =>
      !isCa &&
      altNames.some(name => name.kind === 'otherName' && name.oid === OID.szOID_NT_PRINCIPAL_NAME) &&
      extendedKeyUsage.some(oid => AUTHENTICATION_USAGES.includes(oid)) &&
      !byOid.has(OID.szOID_NTDS_CA_SECURITY_EXT)
        ? 'The certificate logs an account on by its name and lacks its security identifier.'
        : undefined
  }
]

function isFor({ isCa, extendedKeyUsage }: TbsFacts, oid: string): boolean {
  return !isCa && extendedKeyUsage?.includes(oid) === true
}

function daysOf({ notBefore, notAfter }: TbsFacts): number {
  return (notAfter.date.getTime() - notBefore.date.getTime()) / DAY
}
