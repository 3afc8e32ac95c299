import { OID } from '@app/oid'
import { OCSP_RESPONSE_SIGNING_TEMPLATE } from '@app/templates'
import { encodeName, type NameAttributeInput, type PublicKeyInfo } from '@app/x509'
import type { Issuer } from './issuer.js'
import { prepareFromTemplate } from './prepare-certificate.js'
import type { PreparedCertificate } from './prepared-certificate.js'

const SUFFIX = ' OCSP'
const MAX_COMMON_NAME = 64

/** A responder that answers for one key of a CA. */
export interface OcspCertificateOrder {
  /** The CA with the key whose certificates the responder tells the status of. */
  readonly issuer: Issuer
  readonly publicKey: PublicKeyInfo
  readonly serialNumber: Uint8Array
  readonly now: Date
  readonly validitySeconds: number
}

/**
 * The certificate of a delegated OCSP responder, after the template OCSPResponseSigning: the purpose id-kp-OCSPSigning
 * and id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2), so that nobody asks for the status of the responder itself. Its subject
 * is the CA's with ` OCSP` after the common name, which is cut where there is no room. Throws `ca_certificate_invalid`
 * and `lint_failed`.
 */
export function prepareOcspCertificate(order: OcspCertificateOrder): PreparedCertificate {
  const { subject } = order.issuer.certificate
  const own = subject.rdns.flat().findLast(({ type }) => type === OID.id_at_commonName)
  const rename = (attribute: NameAttributeInput): NameAttributeInput =>
    attribute === own ? { type: attribute.type, value: withSuffix(attribute.value) } : attribute
  const rdns = subject.rdns.map(rdn => rdn.map(rename))
  const named = own === undefined ? [...rdns, [{ type: OID.id_at_commonName, value: SUFFIX.trim() }]] : rdns
  const names = { subject: encodeName(named), isSubjectEmpty: false, altNames: [] }
  return prepareFromTemplate({ ...order, template: OCSP_RESPONSE_SIGNING_TEMPLATE, names })
}

function withSuffix(commonName: string): string {
  const characters = Array.from(commonName)
  return `${characters.slice(0, MAX_COMMON_NAME - SUFFIX.length).join('')}${SUFFIX}`
}
