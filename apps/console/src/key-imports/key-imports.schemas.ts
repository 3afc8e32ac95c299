import { z } from 'zod'
import { uuidParameter } from '../access/page.schemas.js'
import { accountName } from '../operators/operators.schemas.js'

const caName = z.string().min(1).max(1536)

/** A key to put into the archive, wrapped to the exchange certificate of the CA. */
export const importBody = z.strictObject({
  ca: caName.describe('The CA whose archive it goes to.'),
  certificate: z.string().min(1).max(64_000).describe('The certificate that the key belongs to: PEM or base64.'),
  wrappedKey: z
    .string()
    .min(1)
    .max(64_000)
    .describe('ContentInfo with the EnvelopedData for the exchange certificate, as an enrollment has it: base64.'),
  id: uuidParameter.optional().describe('What the caller knows the import by, so that it may be sent again.'),
  template: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'The template whose archival settings apply; needed where the certificate was made of none that archives.'
    ),
  owner: accountName.optional().describe('Whose certificate it is, where this server did not issue it.'),
  foreign: z.boolean().default(false).describe('Whether another CA issued the certificate.'),
  replace: z.boolean().default(false).describe('Whether it may take the place of a key that is archived already.')
})

/** How long to wait for the outcome. */
export const importQuery = z.object({
  wait: z.coerce.number().int().min(0).max(60).default(10).describe('Seconds to wait for the outcome.')
})

/** Which CA's exchange certificate. */
export const exchangeQuery = z.object({ ca: caName })

/** What keys are wrapped to. */
export const exchangeView = z.object({
  certificate: z.string().describe('PEM of the exchange certificate, then of the CA and those above it.')
})

/** What became of an import. */
export const importView = z.object({
  id: z.uuid(),
  state: z.enum(['received', 'sealed', 'failed']),
  ca: z.string(),
  subject: z.string(),
  serialNumber: z.string(),
  foreign: z.boolean().describe('Whether no key of the CA has signed the certificate.'),
  owner: z.string(),
  importedBy: z.string(),
  receivedAt: z.string(),
  requestId: z.number().optional().describe('The request that the key is archived with.'),
  code: z.string().optional().describe('Why it was refused.'),
  message: z.string().optional()
})

export type ImportBody = z.infer<typeof importBody>
export type ImportQuery = z.infer<typeof importQuery>
export type ImportView = z.infer<typeof importView>
export type ExchangeQuery = z.infer<typeof exchangeQuery>
export type ExchangeView = z.infer<typeof exchangeView>
