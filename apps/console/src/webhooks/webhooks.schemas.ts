import { z } from 'zod'
import { pageView, uuidPageQuery } from '../access/page.schemas.js'

/** What the list of deliveries is narrowed by. */
export const deliveriesQuery = uuidPageQuery.extend({
  webhook: z.string().min(1).max(32).optional().describe('Of this webhook only.'),
  state: z.enum(['due', 'delivered', 'failed', 'stopped']).optional(),
  requestId: z.coerce.number().int().min(1).max(2_147_483_647).optional().describe('On this request only.')
})

const deliveryView = z.object({
  id: z.string().describe('What the receiver tells repetitions by.'),
  webhook: z.string(),
  requestId: z.number().optional().describe('Absent for a drill that failed.'),
  drillId: z.number().optional().describe('The drill that failed.'),
  event: z.string(),
  occurredAt: z.string(),
  state: z.string().describe('due, delivered, failed (given up) or stopped (the receiver is gone).'),
  attempts: z.number(),
  status: z.number().optional().describe('Of the last answer.'),
  error: z.string().optional().describe('Why the last attempt got no good answer.'),
  endedAt: z.string().optional()
})

/** One page of deliveries. */
export const deliveriesView = pageView(deliveryView)

export type DeliveriesQuery = z.infer<typeof deliveriesQuery>
export type DeliveriesView = z.infer<typeof deliveriesView>
