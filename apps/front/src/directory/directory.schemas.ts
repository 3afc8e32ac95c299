import { z } from 'zod'

/** Whose certificates: `me`, a SID, a UPN, an account name or `DOMAIN\account`. */
export const userParameter = z.string().min(1).max(1024)

/** The MD5 digest of a registered certificate. */
export const digestParameter = z.string().regex(/^[0-9a-fA-F]{32}$/, 'is not 32 hexadecimal digits')

/** A call of RegisterCertificate. Whose certificate it is says the credential, and no member. */
export const registerBody = z.object({
  flags: z
    .union([z.string().max(64), z.number()])
    .optional()
    .describe('MQCERT_REGISTER_ALWAYS (1) or MQCERT_REGISTER_IF_NOT_EXIST (2); 1 when left out.'),
  certificate: z
    .string()
    .optional()
    .describe('An external certificate, DER in base64. Without it an internal one is issued and registered.'),
  csr: z.string().optional().describe('PKCS#10 for the key of an internal certificate, DER in base64.'),
  machineId: z
    .guid()
    .optional()
    .describe('The machine that keeps the key of an internal certificate. Each has one; without it all are one.'),
  proof: z
    .strictObject({ nonce: z.string().min(1).max(100), signature: z.string().min(1).max(4096) })
    .optional()
    .describe('The proof that the caller holds the key of an external certificate, over a nonce.')
})

/** What a registration tells. */
export const registrationView = z.object({
  hresult: z.string(),
  code: z.enum(['MQ_OK', 'MQ_INFORMATION_INTERNAL_USER_CERT_EXIST']),
  severity: z.enum(['success', 'information']),
  digest: z.string(),
  identifier: z.string(),
  certificate: z.string().describe('DER in base64.')
})

/** A nonce for a proof of possession. */
export const nonceView = z.object({ nonce: z.string(), expiresAt: z.string() })

const registeredView = z.object({
  digest: z.string().describe('MD5 of the certificate, as mSMQDigests has it.'),
  sha256: z.string(),
  identifier: z.string(),
  kind: z.enum(['internal', 'external']),
  machineId: z.string().optional(),
  subject: z.string(),
  notBefore: z.string(),
  notAfter: z.string(),
  registeredAt: z.string()
})

/** The certificates of an account in the order of their registration. */
export const registeredListView = z.object({ sid: z.string(), etag: z.string(), items: z.array(registeredView) })

export type RegisterBody = z.infer<typeof registerBody>
export type RegistrationView = z.infer<typeof registrationView>
export type NonceView = z.infer<typeof nonceView>
export type RegisteredListView = z.infer<typeof registeredListView>

/** Whose certificate is wanted, and whether all that ever were. */
export const mailQuery = z.object({
  mail: z.string().min(3).max(320).describe('A mail address, whatever its case.'),
  history: z.stringbool().default(false).describe('Those that are expired or revoked too.')
})

const mailCertificateView = z.object({
  serialNumber: z.string(),
  subject: z.string(),
  notBefore: z.string(),
  notAfter: z.string(),
  publishedAt: z.string(),
  state: z.enum(['good', 'not_yet_valid', 'expired', 'revoked']),
  revokedAt: z.string().optional(),
  certificate: z.string().describe('DER in base64.')
})

/** The certificates to which mail for an address is encrypted, the newest first. */
export const mailCertificatesView = z.object({
  mail: z.string(),
  current: z.string().optional().describe('The serial number of the one to use now.'),
  items: z.array(mailCertificateView)
})

export type MailQuery = z.infer<typeof mailQuery>
export type MailCertificateView = z.infer<typeof mailCertificateView>
export type MailCertificatesView = z.infer<typeof mailCertificatesView>
