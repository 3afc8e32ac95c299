import { z } from 'zod'
import { AppError } from '@app/core'

/** The media types of requests that are sent as they are (RFC 10003 (RFC 5273), 3; RFC 5967). */
export const messageTypes = ['application/pkcs7-mime', 'application/pkcs10'] as const

/** The path of everything below one CA: its name, case-insensitive, plain or sanitized. */
export const caParameter = z.string().min(1).max(1536)

/** A request id as the path carries it. */
export const requestIdParameter = z.coerce.number().int().min(1).max(2_147_483_647)

/** How long to wait for the outcome, in seconds; the server may wait less. */
export const waitQuery = z.object({ wait: z.coerce.number().min(0).max(120).optional() })

/** The JSON form of Submit. */
export const submitBody = z.strictObject({
  request: z.string().min(1).describe('The request as PEM, or its DER in base64.'),
  flags: z
    .union([z.number().int().min(0).max(0xffffffff), z.array(z.string())])
    .optional()
    .describe('The CR_IN word of ICertRequest::Submit, or the names of its flags.'),
  attributes: z.string().max(1536).optional().describe('Request attributes, one `Name:Value` a line.')
})

/** What Submit and RetrievePending answer. */
export const requestView = z.object({
  requestId: z.number().int(),
  disposition: z.number().int().describe('CR_DISP_*: 0 incomplete to 6 revoked.'),
  dispositionName: z.string(),
  dispositionMessage: z.string(),
  lastStatus: z.string().describe('The HRESULT, as 0x and eight hexadecimal digits.'),
  statusSymbol: z.string(),
  ca: z.string(),
  template: z.string().optional(),
  archivedKey: z.boolean(),
  serialNumber: z.string().optional(),
  submittedAt: z.string(),
  resolvedAt: z.string().optional(),
  links: z.record(z.string(), z.string())
})

export type SubmitBody = z.infer<typeof submitBody>
export type RequestView = z.infer<typeof requestView>

/** In which form a certificate or message is wanted (ICertRequest's CR_OUT_* encodings by name). */
export const encodingName = z.enum(['der', 'pem', 'base64', 'p7b'])
export type EncodingName = z.infer<typeof encodingName>

/** A property's number or name. */
export const propertyParameter = z.string().min(1).max(64)

/** The index of an indexed property; -1 (or 0xffffffff) is the current one. */
export const indexQuery = z.object({ index: z.coerce.number().int().min(-1).max(0xffffffff).default(0) })

/** What a property answers; binary values are base64. */
export const propertyView = z.object({
  id: z.number().int(),
  name: z.string(),
  type: z.enum(['long', 'date', 'binary', 'string']),
  index: z.number().int(),
  value: z.union([z.string(), z.number()])
})
export type PropertyView = z.infer<typeof propertyView>

/** How the API document tells of the header that {@link idempotencyOf} reads. */
export const idempotencyHeader = {
  name: 'Idempotency-Key',
  description: 'Makes a repeated call answer as the first did. Another request under the same key is refused.',
  required: false,
  schema: { type: 'string', minLength: 1, maxLength: 255 }
} as const

/** What `Idempotency-Key` says: the same key with the same request gives the same answer. Throws `invalid_argument`. */
export function idempotencyOf(key: string | undefined): { readonly idempotencyKey?: string } {
  if (key === undefined) return {}
  if (key.length > 0 && key.length <= 255) return { idempotencyKey: key }
  throw new AppError('invalid_argument', 'Idempotency-Key must have 1 to 255 characters.', { length: key.length })
}
