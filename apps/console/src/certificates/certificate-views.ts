import { toHex } from '@app/core'
import { describeExtension } from '@app/cmc'
import { encodePem } from '@app/der'
import { accountNameOf } from '@app/platform'
import type { CertificateState, FoundCertificate } from '@app/storage'
import { CRL_REASONS, decodeCertificate, formatName, serialHexOf, type CrlReason } from '@app/x509'
import { entityTagOf } from '../access/entity-tag.js'
import type { CertificateDetail, CertificateItem } from './certificates.schemas.js'

const HOLD = CRL_REASONS.certificateHold

const reasons = new Map(Object.entries(CRL_REASONS).map(([name, number]) => [number as number, name as CrlReason]))

/** A certificate as lists show it. */
export function itemOf(row: FoundCertificate, ca: string, now: Date): CertificateItem {
  const { domain, accountName, templateName, revocationReason, invalidityDate } = row
  const reason = revocationReason === null ? undefined : reasons.get(revocationReason)
  return {
    serialNumber: serialHexOf(row.serialNumber),
    ca,
    requestId: row.requestId,
    subject: row.subject,
    ...(domain === null || accountName === null ? {} : { account: accountNameOf({ domain, accountName }) }),
    ...(templateName === null ? {} : { template: templateName }),
    state: stateOf(row, now),
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    issuedAt: (row.issuedAt ?? row.reservedAt).toISOString(),
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt.toISOString() }),
    ...(reason === undefined ? {} : { reason }),
    ...(invalidityDate === null ? {} : { invalidityDate: invalidityDate.toISOString() }),
    archivedKey: row.archival,
    sha1: toHex(row.sha1 ?? new Uint8Array()),
    sha256: toHex(row.sha256 ?? new Uint8Array()),
    etag: entityTagOf(String(row.statusChange ?? 0))
  }
}

function stateOf({ revokedAt, revocationReason, notAfter }: FoundCertificate, now: Date): CertificateState {
  if (revokedAt !== null) return revocationReason === HOLD ? 'held' : 'revoked'
  return notAfter < now ? 'expired' : 'valid'
}

/** A certificate with all that it says. */
export function detailOf(item: CertificateItem, der: Uint8Array): CertificateDetail {
  const certificate = decodeCertificate(der)
  const { algorithm, bits, keyId } = certificate.publicKey
  return {
    ...item,
    issuer: formatName(certificate.issuer),
    publicKey: { algorithm, bits, keyId: toHex(keyId) },
    signatureAlgorithm: certificate.signatureAlgorithm.oid,
    extensions: certificate.extensions.map(extension => ({ ...describeExtension(extension) })),
    pem: encodePem('CERTIFICATE', der)
  }
}
