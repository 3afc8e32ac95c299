import { z } from 'zod'
import { pageQuery, pageView, uuidPageQuery } from '../access/page.schemas.js'

const caName = z.string().min(1).max(1536)
const templateName = z.string().min(1).max(256)
const reason = z.string().trim().min(1).max(1000)

/** A number that the program gave. */
export const numberParameter = z.coerce.number().int().min(1).max(2_147_483_647)

/** A purge to propose. */
export const proposalBody = z.strictObject({
  ca: caName,
  template: templateName.optional().describe('Keys of this template only.'),
  reason: reason.describe('Why, for the other administrator and for the audit log.'),
  limit: z.number().int().min(1).max(100_000).default(10_000).describe('Most keys of one purge.'),
  dryRun: z.boolean().default(false).describe('Whether only to tell which keys it would be.')
})

/** How long keys are to be kept. */
export const policyBody = z.strictObject({
  ca: caName,
  template: templateName
    .optional()
    .describe('For the keys of this template; else of all that have no policy of their own.'),
  days: z.number().int().min(0).max(36_500).describe('Days after the end of the certificate.')
})

/** Which policy. */
export const policyQuery = z.object({ ca: caName, template: templateName.optional() })

/** A key to hold. */
export const holdBody = z.strictObject({ requestId: z.number().int().min(1).max(2_147_483_647), reason })

/** What the list of purges is narrowed by. */
export const purgesQuery = pageQuery.extend({
  ca: caName.optional(),
  state: z.enum(['proposed', 'approved', 'done', 'cancelled']).optional(),
  cursor: numberParameter.optional()
})

/** Which keys of a purge. */
export const itemsQuery = pageQuery.extend({ cursor: numberParameter.optional() })

/** What the list of holds is narrowed by. */
export const holdsQuery = uuidPageQuery.extend({
  lifted: z.stringbool().default(false).describe('Holds that were lifted too.')
})

const purgeView = z.object({
  id: z.number(),
  ca: z.string(),
  state: z.enum(['proposed', 'approved', 'done', 'cancelled']),
  template: z.string().optional(),
  reason: z.string(),
  keys: z.number(),
  purged: z.number(),
  kept: z.number().describe('Keys that were held, wanted for longer or gone when their turn came.'),
  proposedBy: z.string(),
  proposedAt: z.string(),
  approvedBy: z.string().optional(),
  approvedAt: z.string().optional(),
  cancelledBy: z.string().optional(),
  cancelledAt: z.string().optional(),
  completedAt: z.string().optional()
})

/** One purge. */
export const keyPurgeView = purgeView

/** One page of purges. */
export const purgesView = pageView(purgeView)

/** What was proposed, or would be. */
export const proposalView = z.object({
  purge: purgeView.optional().describe('Absent after a dry run, and when no key may go.'),
  eligible: z.number().describe('Keys that the policies let go now.'),
  requestIds: z.array(z.number()).describe('Those of this proposal, by the numbers of their requests.')
})

/** One page of the keys of a purge. */
export const itemsView = pageView(
  z.object({
    requestId: z.number(),
    state: z.enum(['due', 'purged', 'kept']),
    keyHash: z.string().optional().describe('SHA-256 of the public key of what was purged.'),
    why: z.string().optional().describe('Why it was kept, or is not purged yet.'),
    decidedAt: z.string().optional()
  })
)

const policyItem = z.object({
  ca: z.string(),
  template: z.string().optional(),
  days: z.number(),
  setBy: z.string(),
  setAt: z.string()
})

/** The policies of the CAs whose archive the caller may see. */
export const policiesView = z.object({ items: z.array(policyItem) })

const holdItem = z.object({
  requestId: z.number(),
  reason: z.string(),
  placedBy: z.string(),
  placedAt: z.string(),
  liftedBy: z.string().optional(),
  liftedAt: z.string().optional()
})

/** One page of holds. */
export const holdsView = pageView(holdItem)

export type ProposalBody = z.infer<typeof proposalBody>
export type ProposalView = z.infer<typeof proposalView>
export type PolicyBody = z.infer<typeof policyBody>
export type PolicyQuery = z.infer<typeof policyQuery>
export type PoliciesView = z.infer<typeof policiesView>
export type HoldBody = z.infer<typeof holdBody>
export type HoldsQuery = z.infer<typeof holdsQuery>
export type HoldsView = z.infer<typeof holdsView>
export type PurgesQuery = z.infer<typeof purgesQuery>
export type PurgesView = z.infer<typeof purgesView>
export type KeyPurgeView = z.infer<typeof keyPurgeView>
export type ItemsQuery = z.infer<typeof itemsQuery>
export type ItemsView = z.infer<typeof itemsView>
