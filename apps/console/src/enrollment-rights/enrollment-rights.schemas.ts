import { z } from 'zod'
import { pageView, uuidPageQuery } from '../access/page.schemas.js'
import { accountName } from '../operators/operators.schemas.js'

const name = z.string().min(1).max(256)

/** For whom an enrollment agent is to be let ask. Nothing is let that is not named. */
export const agentScopeBody = z.strictObject({
  account: accountName,
  template: name,
  subjectGroup: name.describe('Members of this group, nested ones too.'),
  ca: z.string().min(1).max(1536).optional().describe('The CA; every CA when left out.')
})

/** What the list of scopes is narrowed by. */
export const agentScopesQuery = uuidPageQuery.extend({ account: accountName.optional() })

/** For whom an enrollment agent may ask. */
export const agentScopeView = z.object({
  id: z.uuid(),
  account: z.string(),
  template: z.string(),
  subjectGroup: z.string(),
  ca: z.string().optional().describe('Absent for every CA.'),
  grantedBy: z.string(),
  grantedAt: z.string()
})

/** One page of scopes. */
export const agentScopesView = pageView(agentScopeView)

/** Which groups may enroll at a CA. */
export const caEnrollment = z.strictObject({
  groups: z.array(name).max(200).nullable().describe('Names of groups; null is whoever a template lets.')
})

export type AgentScopeBody = z.infer<typeof agentScopeBody>
export type AgentScopesQuery = z.infer<typeof agentScopesQuery>
export type AgentScopeView = z.infer<typeof agentScopeView>
export type AgentScopesView = z.infer<typeof agentScopesView>
export type CaEnrollment = z.infer<typeof caEnrollment>
