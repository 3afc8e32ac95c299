import { hash } from 'node:crypto'
import { isAppError, toHex } from '@app/core'
import { OID } from '@app/oid'
import { decodeExtendedKeyUsage, decodeKeyUsage, findExtension, type Certificate } from '@app/x509'
import { verifyKeyStrength } from './key-strength.js'

/** Why a certificate is not one to encrypt keys to. */
export type CertificateFault =
  'not-yet-valid' | 'expired' | 'key-usage' | 'extended-key-usage' | 'key-algorithm' | 'key-weak' | 'malformed'

/** The judgement on a certificate; `detail` is a sentence for the operator. */
export type CertificateJudgement =
  { readonly usable: true } | { readonly usable: false; readonly fault: CertificateFault; readonly detail: string }

/**
 * Whether keys may be sealed to a recovery agent's certificate at this moment: within its validity, keyUsage with
 * keyEncipherment, extKeyUsage with szOID_KP_KEY_RECOVERY_AGENT, an RSA key of 2048 bits or more that is not weak
 * (MS-WCCE 3.2.2.6.2.1.3). Issuer, trust and revocation are for the caller to check.
 */
export function judgeAgentCertificate(certificate: Certificate, now: Date): CertificateJudgement {
  return judge(certificate, now, OID.szOID_KP_KEY_RECOVERY_AGENT, 'key recovery agent')
}

/**
 * Whether a client may encrypt a key to this exchange certificate, and the CA may go on using it, at this moment: as
 * {@link judgeAgentCertificate} with szOID_KP_CA_EXCHANGE (MS-WCCE 3.2.1.4.3.2.15).
 */
export function judgeExchangeCertificate(certificate: Certificate, now: Date): CertificateJudgement {
  return judge(certificate, now, OID.szOID_KP_CA_EXCHANGE, 'CA exchange')
}

/**
 * The text of the column KeyRecoveryHashes: SHA-1 of each agent's certificate in the order given, lower-case
 * hexadecimal with a blank between bytes, one a line, without a line break at the end (MS-WCCE 3.2.2.6.2.1.3).
 */
export function keyRecoveryHashes(agents: readonly Certificate[]): string {
  return agents.map(agent => toHex(hash('sha1', agent.raw, 'buffer')).replace(/..(?!$)/g, '$& ')).join('\n')
}

function judge(certificate: Certificate, now: Date, purpose: string, purposeName: string): CertificateJudgement {
  try {
    return judgeWellFormed(certificate, now, purpose, purposeName)
  } catch (error) {
    if (!isAppError(error)) throw error
    return error.code === 'archived_key_weak'
      ? unusable('key-weak', error.message)
      : unusable('malformed', `The certificate cannot be read: ${error.message}`)
  }
}

function judgeWellFormed(
  certificate: Certificate,
  now: Date,
  purpose: string,
  purposeName: string
): CertificateJudgement {
  if (now < certificate.notBefore) {
    return unusable('not-yet-valid', `The certificate is not valid before ${certificate.notBefore.toISOString()}.`)
  }
  // notAfter is the last second that counts (RFC 5280, 4.1.2.5).
  if (now.getTime() >= certificate.notAfter.getTime() + 1000) {
    return unusable('expired', `The certificate expired at ${certificate.notAfter.toISOString()}.`)
  }
  const usage = findExtension(certificate, OID.id_ce_keyUsage)
  if (usage === undefined || !decodeKeyUsage(usage.value).has('keyEncipherment')) {
    return unusable('key-usage', 'The certificate has no key usage keyEncipherment.')
  }
  const purposes = findExtension(certificate, OID.id_ce_extKeyUsage)
  if (purposes === undefined || !decodeExtendedKeyUsage(purposes.value).includes(purpose)) {
    return unusable('extended-key-usage', `The certificate has no extended key usage ${purposeName} (${purpose}).`)
  }
  if (certificate.publicKey.algorithm !== 'rsa') {
    return unusable('key-algorithm', 'The key of the certificate is not RSA; key transport needs RSA.')
  }
  verifyKeyStrength(certificate.publicKey)
  return { usable: true }
}

function unusable(fault: CertificateFault, detail: string): CertificateJudgement {
  return { usable: false, fault, detail }
}
