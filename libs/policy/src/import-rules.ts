import { AppError } from '@app/core'
import { OID } from '@app/oid'
import { decodeBasicConstraints, findExtension, verifyCertificateSignature, type Certificate } from '@app/x509'

/** A certificate whose private key is to be archived later, and what is known of it. */
export interface ImportedCertificate {
  readonly certificate: Certificate
  /** Whether the ledger of the CA has these very bytes. */
  readonly isOnRecord: boolean
  /** The certificates of the CA, each with the key that it signs or signed with. */
  readonly issuers: readonly Certificate[]
  /** Whether whoever imports says that another CA issued it (KRAF_ENABLEFOREIGN, `-f` of certutil). */
  readonly allowForeign: boolean
}

/**
 * Whether no key of the CA has signed a certificate. Throws `invalid_argument` for a certificate of a CA, whose key is
 * never archived, for one that claims to be of this CA and is not, and for a foreign one that was not said to be foreign
 * (MS-CSRA 3.1.4.1.8). Its validity and the trust in its issuer do not matter: what is archived is a key that is needed to
 * read what was encrypted long ago.
 */
export function requireImportable({ certificate, isOnRecord, issuers, allowForeign }: ImportedCertificate): boolean {
  const evidence = { serialNumber: certificate.serialHex }
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  if (constraints !== undefined && decodeBasicConstraints(constraints.value).isCa) {
    throw new AppError('invalid_argument', 'The certificate is that of a CA, whose key is never archived.', evidence)
  }
  if (isOnRecord || issuers.some(issuer => isSignedBy(certificate, issuer))) return false
  if (allowForeign) return true
  throw new AppError(
    'invalid_argument',
    'The certificate was not issued by this CA. Import it at its own CA, or as a foreign one.',
    evidence
  )
}

/** An old CA may have signed with SHA-1; here the signature says only whose row the certificate gets. */
function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    verifyCertificateSignature(certificate, issuer.publicKey, { allowSha1: true })
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}
