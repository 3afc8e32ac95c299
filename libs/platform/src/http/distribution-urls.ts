/** Where a CA's CRL and certificate are to be had without TLS. */
export interface DistributionUrls {
  readonly crl: string
  readonly certificate: string
}

/**
 * The addresses that certificates name for the CRL of the CA's key (RFC 5280, 4.2.1.13) and for the CA certificate
 * (4.2.2.1). They stand in everything that is issued, so their form never changes.
 * @param base what the plain HTTP listener is reached by, as the setting `httpBaseUrl` has it
 */
export function distributionUrls(
  base: string,
  ca: { readonly id: number; readonly keyIndex: number; readonly certIndex: number }
): DistributionUrls {
  return { crl: `${base}/crl/${ca.id}-${ca.keyIndex}.crl`, certificate: `${base}/ca/${ca.id}-${ca.certIndex}.cer` }
}
