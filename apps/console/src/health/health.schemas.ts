import { z } from 'zod'

/** What somebody should look at. */
export const healthView = z.object({
  status: z.enum(['good', 'warning', 'error']).describe('The worst of the findings.'),
  findings: z.array(
    z.object({
      check: z.string(),
      severity: z.enum(['error', 'warning']),
      cause: z.string(),
      remedy: z.string()
    })
  )
})

export type HealthView = z.infer<typeof healthView>
