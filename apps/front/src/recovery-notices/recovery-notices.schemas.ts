import { z } from 'zod'

/** How the list is paged. */
export const noticesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.coerce.number().int().min(1).max(0x7fffffff).optional().describe('The `next` of the page before.')
})

/** Recoveries of the caller’s keys. */
export const noticesView = z.object({
  items: z.array(
    z.object({
      recoveryId: z.number().int(),
      requestId: z.number().int(),
      ca: z.string(),
      serialNumber: z.string(),
      releasedTo: z.string().describe('Who asked for the key and was given it.'),
      reason: z.string(),
      ticket: z.string(),
      releasedAt: z.string(),
      toldAt: z.string()
    })
  ),
  next: z.string().optional()
})

/** What the owner of a certificate is told when somebody was given its key. */
export type RecoveryNoticesView = z.infer<typeof noticesView>
export type NoticesQuery = z.infer<typeof noticesQuery>
