import { attempt } from '@app/core'
import { OID } from '@app/oid'
import {
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSubjectAltName,
  findExtension,
  type Certificate
} from '@app/x509'

/** What a certificate of an account is worth to whoever writes to it. */
export type MailCertificateState = 'good' | 'not_yet_valid' | 'expired' | 'revoked'

/**
 * Whether mail to an address may be encrypted to a certificate: its key usage lets it transport or agree on keys, its
 * extended key usage, where there is one, names the protection of mail or any purpose, and the mail addresses that it
 * names, if any, have this one among them (RFC 8550, 3, 4.4.2, 4.4.4).
 */
export function isForMailEncryption(certificate: Certificate, mail: string): boolean {
  return hasKeyUsage(certificate) && hasPurpose(certificate) && namesAddress(certificate, mail)
}

/** The state of a certificate at a time. */
export function mailCertificateState(
  { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>,
  revokedAt: Date | null,
  now: Date
): MailCertificateState {
  if (revokedAt !== null && revokedAt <= now) return 'revoked'
  if (now < notBefore) return 'not_yet_valid'
  return now > notAfter ? 'expired' : 'good'
}

function hasKeyUsage(certificate: Certificate): boolean {
  const extension = findExtension(certificate, OID.id_ce_keyUsage)
  if (extension === undefined) return true
  const uses = attempt(() => decodeKeyUsage(extension.value))
  return uses !== undefined && (uses.has('keyEncipherment') || uses.has('keyAgreement'))
}

function hasPurpose(certificate: Certificate): boolean {
  const extension = findExtension(certificate, OID.id_ce_extKeyUsage)
  if (extension === undefined) return true
  const purposes = attempt(() => decodeExtendedKeyUsage(extension.value)) ?? []
  return purposes.includes(OID.id_kp_emailProtection) || purposes.includes(OID.anyExtendedKeyUsage)
}

function namesAddress(certificate: Certificate, mail: string): boolean {
  const extension = findExtension(certificate, OID.id_ce_subjectAltName)
  if (extension === undefined) return true
  const names = attempt(() => decodeSubjectAltName(extension.value)) ?? []
  const addresses = names.flatMap(name => (name.kind === 'rfc822Name' ? [name.value.toLowerCase()] : []))
  return addresses.length === 0 || addresses.includes(mail.toLowerCase())
}
