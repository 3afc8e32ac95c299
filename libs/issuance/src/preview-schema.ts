import { z } from 'zod'

/** The parts of a certificate and of a request that a preview tells of. */
export const PREVIEW_FIELDS = [
  'subject',
  'subjectAltName',
  'publicKey',
  'validity',
  'keyUsage',
  'extendedKeyUsage',
  'applicationPolicies',
  'issuancePolicies',
  'basicConstraints',
  'securityIdentifier',
  'template',
  'subjectKeyIdentifier',
  'authorityKeyIdentifier',
  'crlDistributionPoints',
  'authorityInfoAccess',
  'extension',
  'issuer',
  'serialNumber',
  'signatureAlgorithm',
  'attribute'
] as const

/** One line of a preview: what was asked for beside what would be issued. */
export const previewField = z.object({
  field: z.enum(PREVIEW_FIELDS),
  name: z.string().describe('Which one of the field: a name attribute, a kind of name, an extension, an attribute.'),
  requested: z.unknown().optional().describe('Absent when the requester asked for none.'),
  edited: z
    .unknown()
    .optional()
    .describe('What officers put in place of it while the request waited; null when they took it away.'),
  issued: z.unknown().optional().describe('Absent when the certificate has none.'),
  critical: z.boolean().optional().describe('Of an extension that would be issued.'),
  change: z.enum(['same', 'changed', 'added', 'dropped']),
  reason: z.string().describe('What the rule that decided it says.')
})

/** What a pending request asks for beside the certificate it would get. */
export const certificatePreview = z.object({
  verdict: z.enum(['issue', 'refuse']),
  refusal: z
    .object({ code: z.string(), message: z.string() })
    .optional()
    .describe('Why there would be no certificate.'),
  tbsCertificate: z
    .string()
    .optional()
    .describe('The bytes that would be signed, DER in base64, with a serial number that stands for the real one.'),
  fields: z.array(previewField),
  templateFindings: z.array(
    z.object({ rule: z.string(), severity: z.enum(['error', 'warning']), message: z.string(), remedy: z.string() })
  ),
  certificateFindings: z.array(
    z.object({ id: z.string(), citation: z.string(), severity: z.enum(['error', 'warning']), message: z.string() })
  )
})

/** A member of {@link PREVIEW_FIELDS}. */
export type PreviewFieldName = (typeof PREVIEW_FIELDS)[number]
export type PreviewField = z.infer<typeof previewField>
export type CertificatePreview = z.infer<typeof certificatePreview>
