import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { CA_EXCHANGE_TEMPLATE } from '@app/templates'
import {
  decodeCertificatePolicies,
  encodeName,
  findExtension,
  formatName,
  type Name,
  type NameAttributeInput,
  type PublicKeyInfo
} from '@app/x509'
import type { Issuer } from './issuer.js'
import { prepareFromTemplate } from './prepare-certificate.js'
import type { PreparedCertificate } from './prepared-certificate.js'

const SUFFIX = '-Xchg'
const MAX_COMMON_NAME = 64

/** A new exchange key of a CA and what its certificate is made from. */
export interface ExchangeCertificateOrder {
  readonly issuer: Issuer
  readonly publicKey: PublicKeyInfo
  readonly serialNumber: Uint8Array
  readonly now: Date
}

/**
 * The certificate that clients wrap their archived keys for (MS-WCCE 3.2.1.4.3.2.15): the CA's name with `-Xchg` after
 * its common name, key encipherment only, the CA's own certificate policies, one week. Throws `subject_too_long` for a
 * CA name that leaves no room, `ca_certificate_invalid` and `lint_failed`.
 */
export function prepareExchangeCertificate(order: ExchangeCertificateOrder): PreparedCertificate {
  const { certificate } = order.issuer
  const policies = findExtension(certificate, OID.id_ce_certificatePolicies)
  return prepareFromTemplate({
    ...order,
    template: CA_EXCHANGE_TEMPLATE,
    names: { subject: exchangeName(certificate.subject), isSubjectEmpty: false, altNames: [] },
    issuancePolicies: policies === undefined ? [] : decodeCertificatePolicies(policies.value)
  })
}

/** The CA's name with the suffix after its last common name, which is what the CA is called by. */
function exchangeName(subject: Name): Uint8Array {
  const attributes = subject.rdns.flat()
  const own = attributes.findLast(({ type }) => type === OID.id_at_commonName)
  if (own === undefined) {
    throw new AppError('ca_certificate_invalid', `The CA certificate of ${formatName(subject)} has no common name.`)
  }
  const value = own.value + SUFFIX
  const { length } = Array.from(value)
  if (length > MAX_COMMON_NAME) {
    throw new AppError(
      'subject_too_long',
      `The CA's common name leaves no room for "${SUFFIX}": ${length} characters where ${MAX_COMMON_NAME} are allowed.`,
      { length, limit: MAX_COMMON_NAME }
    )
  }
  const rename = (attribute: NameAttributeInput): NameAttributeInput =>
    attribute === own ? { type: own.type, value } : attribute
  return encodeName(subject.rdns.map(rdn => rdn.map(rename)))
}
