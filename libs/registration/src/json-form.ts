import { z } from 'zod'
import { APPROVAL_STATES } from './registration-state.js'
import { SMSID_PATTERN } from './smsid.js'

/** The media types of the protocol. */
export const REGISTRATION_XML = 'application/xml'

/**
 * A request as JSON. The signed part stays the text that it is in the XML form, so that there is one rule for what is
 * signed and no second reading of a document.
 */
export const registrationBody = z.strictObject({
  data: z
    .string()
    .min(1)
    .max(128 * 1024)
    .meta({ description: 'The Data element of a ClientRegistrationRequest, exactly as it is signed.' }),
  signature: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2})+$/)
    .max(4096)
    .meta({ description: 'SignatureValue: over the UTF-16LE octets of data, in reverse order, in hexadecimal.' }),
  proxySmsid: z.string().regex(SMSID_PATTERN).optional().meta({ description: 'The proxy that signs for its client.' })
})

/** The form of {@link registrationBody}. */
export type RegistrationBody = z.infer<typeof registrationBody>

/** A reply as JSON. */
export const registrationReply = z.object({
  status: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)])
    .meta({ description: '0 registered, 1 pending, 2 send the registration again, 3 refused.' }),
  smsid: z.string().regex(SMSID_PATTERN).optional().meta({ description: 'Only with the statuses 0 and 1.' }),
  approval: z.enum(APPROVAL_STATES).optional(),
  reason: z.string().optional().meta({ description: 'Why a registration was refused, for people.' })
})

/** The form of {@link registrationReply}. */
export type RegistrationReply = z.infer<typeof registrationReply>

/** The HTTP status of the JSON form for each status of the protocol. The XML form is always answered with 200. */
export const HTTP_STATUS_OF = { 0: 200, 1: 202, 2: 503, 3: 403 } as const
