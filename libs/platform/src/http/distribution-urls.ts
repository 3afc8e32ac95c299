import { fillAddress, type AddressNumbers } from '@app/templates'
import type { Config } from '../config/load.js'

/** Where a CA's CRLs and certificate are to be had without TLS, and where the status of its certificates is answered. */
export interface DistributionUrls {
  readonly crl: string
  readonly deltaCrl: string
  readonly certificate: string
  readonly ocsp: string
  /** What further addresses are made with. */
  readonly numbers: AddressNumbers
}

/**
 * The addresses that certificates name for the CRL of the CA's key (RFC 5280, 4.2.1.13) and its delta (4.2.1.15), for
 * the CA certificate (4.2.2.1) and for the OCSP responder of the key (RFC 6960, 3.1). They stand in everything that is
 * issued, so their form never changes.
 * @param base what the plain HTTP listener is reached by, as the setting `httpBaseUrl` has it
 */
export function distributionUrls(
  base: string,
  ca: { readonly id: number; readonly keyIndex: number; readonly certIndex: number }
): DistributionUrls {
  const key = `${ca.id}-${ca.keyIndex}`
  return {
    crl: `${base}/crl/${key}.crl`,
    deltaCrl: `${base}/crl/${key}+.crl`,
    certificate: `${base}/ca/${ca.id}-${ca.certIndex}.cer`,
    ocsp: `${base}/ocsp/${key}`,
    numbers: { ca: ca.id, keyIndex: ca.keyIndex, certIndex: ca.certIndex }
  }
}

/** The addresses that a certificate names, as an Issuer of `@app/issuance` has them. */
export interface CertificateUrls {
  readonly crlUrls: readonly string[]
  /** Empty where there are no deltas. */
  readonly deltaCrlUrls: readonly string[]
  readonly caIssuersUrls: readonly string[]
  readonly ocspUrls: readonly string[]
  readonly addressNumbers: AddressNumbers
}

/**
 * The addresses that go into the certificates of a CA by the settings in force: those of this installation first, then
 * the further ones.
 */
export function certificateUrls(config: Pick<Config, 'crl' | 'addresses'>, urls: DistributionUrls): CertificateUrls {
  const { crl, caIssuers, ocsp } = config.addresses
  const filled = (patterns: readonly string[]) => patterns.map(pattern => fillAddress(pattern, urls.numbers))
  return {
    crlUrls: [urls.crl, ...filled(crl)],
    deltaCrlUrls: config.crl.deltaHours > 0 ? [urls.deltaCrl] : [],
    caIssuersUrls: [urls.certificate, ...filled(caIssuers)],
    ocspUrls: [urls.ocsp, ...filled(ocsp)],
    addressNumbers: urls.numbers
  }
}
