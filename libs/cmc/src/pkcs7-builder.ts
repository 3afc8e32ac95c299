import { buildSignedData, identifierOf } from '@app/cms'
import { OID } from '@app/oid'
import { decodeCertificate } from '@app/x509'
import { encodeNameValuePairs } from './microsoft-attribute.js'
import type { RequestCosigner } from './request-builder.js'

/** A PKCS#7 request to build. */
export interface Pkcs7RequestPlan {
  /** The PKCS#10 that is signed; with the certificate to renew among its attributes for a renewal. */
  readonly request: Uint8Array
  /** At least one. */
  readonly signers: readonly RequestCosigner[]
  /** `DOMAIN\account` that the request is made for; every signer signs it. */
  readonly onBehalfOf?: string
}

/**
 * A PKCS#10 signed by others than its own key: who renews a certificate, or an enrollment agent (MS-WCCE 2.2.2.6.3,
 * 3.1.1.4.3.2 and 3.1.1.4.3.3). Signed attributes are always there, with contentType. Throws what `buildSignedData` throws.
 */
export function buildPkcs7Request({ request, signers, onBehalfOf }: Pkcs7RequestPlan): Promise<Uint8Array> {
  const signedAttributes =
    onBehalfOf === undefined ? [] : [encodeNameValuePairs([{ name: 'requestername', value: onBehalfOf }])]
  return buildSignedData({
    eContentType: OID.id_data,
    eContent: request,
    certificates: signers.map(({ certificate }) => certificate),
    signers: signers.map(({ certificate, scheme, sign }) => ({
      sid: identifierOf(decodeCertificate(certificate)),
      scheme,
      sign,
      signedAttributes
    }))
  })
}
