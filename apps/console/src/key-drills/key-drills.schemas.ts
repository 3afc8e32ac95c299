import { z } from 'zod'
import { pageQuery } from '../access/page.schemas.js'

/** Which drills. */
export const drillsQuery = pageQuery.extend({ cursor: z.coerce.number().int().min(1).max(2_147_483_647).optional() })

const drillItem = z.object({
  id: z.number(),
  state: z.enum(['due', 'succeeded', 'failed']),
  requestedBy: z.string(),
  dueAt: z.string(),
  endedAt: z.string().optional(),
  canaries: z.number().optional().describe('How many canary keys were archived and recovered.'),
  code: z.string().optional().describe('Why it failed.'),
  message: z.string().optional()
})

/** One page of drills, and how things stand. */
export const drillsView = z.object({
  everyHours: z.number().describe('0 when drills run only when somebody orders one.'),
  lastSuccess: z.string().optional(),
  overdue: z
    .boolean()
    .describe('Whether the last success is longer ago than two drills are apart, or the last drill failed.'),
  items: z.array(drillItem),
  next: z.string().optional()
})

/** What came of the order. */
export const drillOrderView = z.object({ ordered: z.boolean().describe('False when a drill was due already.') })

export type DrillsQuery = z.infer<typeof drillsQuery>
export type DrillsView = z.infer<typeof drillsView>
export type DrillOrderView = z.infer<typeof drillOrderView>
