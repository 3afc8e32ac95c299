import { z } from 'zod'
import { CRL_REASONS } from '@app/x509'
import { CERTIFICATE_STATES } from '@app/storage'
import { accountName } from '../operators/operators.schemas.js'
import { pageQuery, pageView } from '../access/page.schemas.js'

const reasonNames = Object.keys(CRL_REASONS).filter(name => name !== 'removeFromCRL') as [
  'unspecified',
  ...Exclude<keyof typeof CRL_REASONS, 'unspecified' | 'removeFromCRL'>[]
]

/** Why a certificate is revoked (RFC 5280, 5.3.1). `certificateHold` can be taken back. */
export const reasonName = z.enum(reasonNames)

const hexOf = (octets: string, what: string) =>
  z
    .string()
    .regex(new RegExp(`^[0-9A-Fa-f]{${octets}}$`), `is not ${what} in hexadecimal`)
    .transform(text => text.toLowerCase())

/** A serial number as the program writes it: lower-case hexadecimal without the sign octet. */
export const serialParameter = hexOf('1,40', 'a serial number')

const caName = z.string().min(1).max(1536)

/** Which CA the serial number is of, where several CAs of the installation have it. */
export const certificateQuery = z.object({ ca: caName.optional() })

/** What the list is narrowed by. */
export const certificatesQuery = pageQuery.extend({
  ca: caName.optional(),
  serial: serialParameter.optional(),
  subject: z.string().min(1).max(256).optional().describe('Words that begin those of the subject.'),
  account: accountName.optional(),
  template: z.string().min(1).max(256).optional(),
  request: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
  fingerprint: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2}:?){19}[0-9A-Fa-f]{2}$|^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/)
    .optional()
    .describe('SHA-1 or SHA-256 of the certificate.'),
  state: z.enum(CERTIFICATE_STATES).optional(),
  expiringBefore: z.iso.datetime({ offset: true }).optional().describe('Lists those that end first, first.')
})

/** The forms of a download. */
export const contentQuery = certificateQuery.extend({ format: z.enum(['pem', 'der', 'p7b']).default('pem') })

/** Why a certificate is revoked. */
export const revocationBody = z.strictObject({
  reason: reasonName,
  invalidityDate: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('Since when the certificate is not to be trusted, as far as known.'),
  comment: z.string().min(1).max(1000).optional().describe('For the audit log.')
})

/** What the audit log says of a release. */
export const releaseBody = z.strictObject({ comment: z.string().min(1).max(1000).optional() })

/** A certificate in short. */
const certificateItem = z.object({
  serialNumber: z.string(),
  ca: z.string(),
  requestId: z.number().int(),
  subject: z.string(),
  account: z.string().optional().describe('Absent for a certificate of the installation itself.'),
  template: z.string().optional(),
  state: z.enum(CERTIFICATE_STATES),
  notBefore: z.string(),
  notAfter: z.string(),
  issuedAt: z.string(),
  revokedAt: z.string().optional(),
  reason: z.enum(Object.keys(CRL_REASONS) as [keyof typeof CRL_REASONS]).optional(),
  invalidityDate: z.string().optional(),
  archivedKey: z.boolean(),
  sha1: z.string(),
  sha256: z.string(),
  etag: z.string().describe('Changes with the status; for the header If-Match.')
})

/** One page of certificates. */
export const certificatesView = pageView(certificateItem)

/** A certificate decoded. */
export const certificateDetail = certificateItem.extend({
  issuer: z.string(),
  publicKey: z.object({ algorithm: z.string(), bits: z.number().int(), keyId: z.string() }),
  signatureAlgorithm: z.string(),
  extensions: z.array(z.record(z.string(), z.unknown())),
  pem: z.string()
})

export type CertificateQuery = z.infer<typeof certificateQuery>
export type CertificatesQuery = z.infer<typeof certificatesQuery>
export type ContentQuery = z.infer<typeof contentQuery>
export type RevocationBody = z.infer<typeof revocationBody>
export type ReleaseBody = z.infer<typeof releaseBody>
export type CertificateItem = z.infer<typeof certificateItem>
export type CertificatesView = z.infer<typeof certificatesView>
export type CertificateDetail = z.infer<typeof certificateDetail>
