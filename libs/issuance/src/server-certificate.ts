import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { WEB_SERVER_TEMPLATE } from '@app/templates'
import { encodeName, type GeneralName, type PublicKeyInfo } from '@app/x509'
import { ipAddressOctets } from './ip-address.js'
import type { Issuer } from './issuer.js'
import { prepareFromTemplate } from './prepare-certificate.js'
import type { PreparedCertificate } from './prepared-certificate.js'

const MAX_COMMON_NAME = 64

/** A TLS server of this installation. */
export interface ServerCertificateOrder {
  readonly issuer: Issuer
  readonly publicKey: PublicKeyInfo
  /** Host names; at least one of these or of the addresses. */
  readonly dnsNames: readonly string[]
  /** IPv4 and IPv6 addresses as text. */
  readonly ipAddresses: readonly string[]
  readonly serialNumber: Uint8Array
  readonly now: Date
  /** In place of the template's year. */
  readonly validitySeconds?: number
}

/**
 * The certificate of a TLS server of this installation, after the template WebServer. Its subject is the first name
 * that fits. Throws `invalid_argument` for no name or an address that is none, `ca_certificate_invalid` and
 * `lint_failed`.
 */
export function prepareServerCertificate(order: ServerCertificateOrder): PreparedCertificate {
  const { dnsNames, ipAddresses, ...rest } = order
  const altNames: GeneralName[] = [
    ...dnsNames.map(value => ({ kind: 'dNSName' as const, value })),
    ...ipAddresses.map(text => ({ kind: 'iPAddress' as const, address: ipAddressOctets(text) }))
  ]
  if (altNames.length === 0) {
    throw new AppError('invalid_argument', 'A server certificate needs a DNS name or an IP address.')
  }
  const commonName = [...dnsNames, ...ipAddresses].find(name => name.length <= MAX_COMMON_NAME)
  const rdns = commonName === undefined ? [] : [[{ type: OID.id_at_commonName, value: commonName }]]
  const names = { subject: encodeName(rdns), isSubjectEmpty: commonName === undefined, altNames }
  return prepareFromTemplate({ ...rest, template: WEB_SERVER_TEMPLATE, names })
}
