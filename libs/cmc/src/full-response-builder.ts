import { buildSignedData, identifierOf } from '@app/cms'
import { encodeNull } from '@app/der'
import { OID } from '@app/oid'
import { encodeAlgorithmIdentifier, type Certificate, type SignatureScheme } from '@app/x509'
import { buildResponseBody, type ResponseParts } from './pki-response.js'

/** Who signs a response. */
export interface ResponseSigner {
  /** The CA certificate, or a CMC responder certificate of that CA. */
  readonly certificate: Certificate
  readonly scheme: SignatureScheme
  /** Signs these bytes by the scheme; ECDSA as DER. */
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>
}

/** A full response to build. */
export interface FullResponsePlan extends ResponseParts {
  /** Certificate elements: the chain of the CA and, when there is one, the issued certificate. */
  readonly certificates: readonly Uint8Array[]
  /** CertificateList elements, for a caller that asked for them. */
  readonly crls?: readonly Uint8Array[]
  readonly signer: ResponseSigner
}

/**
 * A signed full PKI response (MS-WCCE 3.2.1.4.2.1.4.8.2; RFC 10002 (RFC 5272), 4.2): a ContentInfo with SignedData whose
 * one signer is named by issuer and serial number. In the Microsoft dialect an RSA signature says rsaEncryption, as a
 * Microsoft CA writes it. Throws what `sign` throws.
 */
export function buildFullResponse(plan: FullResponsePlan): Promise<Uint8Array> {
  const { certificate, scheme, sign } = plan.signer
  const isWindowsRsa = plan.dialect === 'microsoft' && scheme.startsWith('rsa-')
  return buildSignedData({
    eContentType: OID.id_cct_PKIResponse,
    eContent: buildResponseBody(plan),
    certificates: plan.certificates,
    crls: plan.crls ?? [],
    signers: [
      {
        sid: identifierOf(certificate),
        scheme,
        ...(isWindowsRsa ? { signatureAlgorithm: encodeAlgorithmIdentifier(OID.rsaEncryption, encodeNull()) } : {}),
        sign
      }
    ]
  })
}
