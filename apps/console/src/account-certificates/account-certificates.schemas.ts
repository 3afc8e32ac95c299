import { z } from 'zod'

/** The MD5 digest of a registered certificate. */
export const digestParameter = z.string().regex(/^[0-9a-fA-F]{32}$/, 'is not 32 hexadecimal digits')

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

/** The registered certificates of an account in the order of their registration. */
export const registeredListView = z.object({ items: z.array(registeredView) })

export type RegisteredView = z.infer<typeof registeredView>
export type RegisteredListView = z.infer<typeof registeredListView>
