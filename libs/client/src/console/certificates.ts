import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** Why a certificate is revoked (RFC 5280, 5.3.1); `certificateHold` can be taken back. */
export type RevocationReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'privilegeWithdrawn'
  | 'aACompromise'

/** What has become of a certificate; `revoked` in a filter has those on hold too. */
export type CertificateStateName = 'valid' | 'revoked' | 'held' | 'expired'

/** An issued certificate in short. Times are ISO 8601, hashes and numbers hexadecimal. */
export interface CertificateItem {
  readonly serialNumber: string
  readonly ca: string
  readonly requestId: number
  readonly subject: string
  /** Absent for a certificate of the installation itself. */
  readonly account?: string
  readonly template?: string
  readonly state: CertificateStateName
  readonly notBefore: string
  readonly notAfter: string
  readonly issuedAt: string
  readonly revokedAt?: string
  readonly reason?: RevocationReason
  readonly invalidityDate?: string
  readonly archivedKey: boolean
  readonly sha1: string
  readonly sha256: string
  /** Changes with the status. */
  readonly etag: string
}

/** An issued certificate with all that it says. */
export interface CertificateDetail extends CertificateItem {
  readonly issuer: string
  readonly publicKey: { readonly algorithm: string; readonly bits: number; readonly keyId: string }
  readonly signatureAlgorithm: string
  readonly extensions: readonly Readonly<Record<string, unknown>>[]
  readonly pem: string
}

/** What a list of certificates is narrowed by. */
export interface CertificateListQuery extends PageOptions {
  readonly ca?: string
  readonly serial?: string
  /** Words that begin those of the subject. */
  readonly subject?: string
  readonly account?: string
  readonly template?: string
  readonly request?: number
  /** SHA-1 or SHA-256 of the certificate. */
  readonly fingerprint?: string
  readonly state?: CertificateStateName
  /** ISO 8601; lists those that end first, first. */
  readonly expiringBefore?: string
}

/** Which certificate is meant, and what the caller has seen of it. */
export interface CertificateChoice {
  /** Needed where several CAs have the serial number. */
  readonly ca?: string
  /** The `etag` that the certificate must still have. */
  readonly ifMatch?: string
}

/** Why, and since when. */
export interface Revocation extends CertificateChoice {
  readonly reason: RevocationReason
  /** ISO 8601: since when the certificate is not to be trusted, as far as known. */
  readonly invalidityDate?: string
  readonly comment?: string
}

const base = '/api/v1/certificates'
const pathOf = (serial: string, rest = ''): string => `${base}/${encodeURIComponent(serial)}${rest}`

/** Issued certificates, by serial number. */
export class Certificates {
  constructor(private readonly transport: Transport) {}

  list(query: CertificateListQuery = {}): Promise<ListPage<CertificateItem>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  show(serial: string, { ca }: CertificateChoice = {}): Promise<CertificateDetail> {
    return this.transport.json({ path: pathOf(serial), query: { ca } })
  }

  /** The certificate as a file; `p7b` has those of the CA up to the root too. */
  async export(serial: string, format: 'pem' | 'der' | 'p7b', { ca }: CertificateChoice = {}): Promise<Uint8Array> {
    return (await this.transport.call({ path: pathOf(serial, '/content'), query: { ca, format } })).body
  }

  /** Throws `revocation_state` when its status does not allow it, `precondition_failed` when it is not the one seen. */
  revoke(serial: string, { ca, ifMatch, ...json }: Revocation): Promise<CertificateDetail> {
    return this.transport.json({
      method: 'POST',
      path: pathOf(serial, '/revoke'),
      query: { ca },
      json,
      ...(ifMatch === undefined ? {} : { ifMatch })
    })
  }

  /** Takes a certificate off hold. Throws as {@link revoke}. */
  unrevoke(
    serial: string,
    { ca, ifMatch, ...json }: CertificateChoice & { readonly comment?: string } = {}
  ): Promise<CertificateDetail> {
    return this.transport.json({
      method: 'POST',
      path: pathOf(serial, '/unrevoke'),
      query: { ca },
      json,
      ...(ifMatch === undefined ? {} : { ifMatch })
    })
  }
}
