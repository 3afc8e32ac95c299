import { z } from 'zod'

/** An agent's number. */
export const agentParameter = z.coerce.number().int().min(1).max(2_147_483_647)

/** What the list of agents and the coverage are narrowed by. */
export const agentsQuery = z.object({ ca: z.string().min(1).max(64).optional().describe('Of this CA only.') })

/** How an agent is retired. */
export const retireBody = z.strictObject({
  confirmedLoss: z
    .int()
    .min(0)
    .default(0)
    .describe('As many archived keys may be lost with it: the `lostWithout` that was looked at.')
})

const agentView = z.object({
  id: z.number(),
  ca: z.string(),
  name: z.string(),
  subject: z.string(),
  serialNumber: z.string(),
  sha256: z.string().describe('Of its certificate.'),
  state: z.enum(['active', 'retired']),
  alive: z.boolean().describe('Whether it can take part in a recovery now.'),
  fault: z
    .enum(['retired', 'not-yet-valid', 'expired', 'revoked', 'no-account', 'account-disabled', 'no-role'])
    .optional()
    .describe('Why it cannot.'),
  account: z.string().optional().describe('Whose key it is.'),
  notBefore: z.string(),
  notAfter: z.string(),
  addedAt: z.string(),
  retiredAt: z.string().optional(),
  keys: z.number().describe('Archived keys that are sealed to it.'),
  lostWithout: z.number().describe('Archived keys that can be opened now and could not without it.')
})

const countsView = z.object({
  recoverable: z.number().describe('More agents are alive than needed.'),
  critical: z.number().describe('Just as many are alive as needed.'),
  unrecoverable: z.number().describe('Fewer are alive than needed.')
})

/** One agent. */
export { agentView }

/** The agents. */
export const agentsView = z.object({ items: z.array(agentView) })

/** Which archived keys the agents can open. */
export const coverageView = z.object({
  at: z.string(),
  keys: countsView,
  byMode: z.object({ 'any-agent': countsView, threshold: countsView }),
  agents: z.array(agentView),
  losses: z
    .array(z.object({ at: z.string(), keys: z.number(), agents: z.array(z.string()) }))
    .describe('What is lost when certificates of agents end, in the order of time.'),
  warningDays: z.number(),
  findings: z.array(
    z.object({
      check: z.string(),
      severity: z.enum(['error', 'warning']),
      cause: z.string(),
      remedy: z.string()
    })
  )
})

/** What came of a retirement. */
export const retiredView = agentView.extend({ keysLost: z.number() })

export type AgentsQuery = z.infer<typeof agentsQuery>
export type RetireBody = z.infer<typeof retireBody>
export type AgentView = z.infer<typeof agentView>
export type AgentsView = z.infer<typeof agentsView>
export type CoverageView = z.infer<typeof coverageView>
export type RetiredView = z.infer<typeof retiredView>
