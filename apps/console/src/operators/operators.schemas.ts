import { z } from 'zod'
import { OPERATOR_ROLES } from '@app/policy'
import { pageView, uuidPageQuery } from '../access/page.schemas.js'

/** An account as people write it: `DOMAIN\account`, or the account alone where it is in one domain only. */
export const accountName = z
  .string()
  .min(1)
  .max(512)
  .describe('`DOMAIN\\account`, or the account alone where only one domain has it.')

/** A role by its name. */
export const roleName = z.enum(OPERATOR_ROLES)

/** What an officer is limited to; an empty list limits nothing. */
const scopeSchema = z.strictObject({
  templates: z.array(z.string().min(1).max(256)).max(200).default([]),
  subjectGroups: z.array(z.string().min(1).max(256)).max(200).default([])
})

/** A role to give. */
export const grantBody = z.strictObject({
  account: accountName,
  role: roleName,
  ca: z.string().min(1).max(1536).optional().describe('The CA; every CA when left out.'),
  scope: scopeSchema.optional().describe('What an officer is limited to; nothing when left out.')
})

/** What the list of roles is narrowed by. */
export const operatorsQuery = uuidPageQuery.extend({
  account: accountName.optional(),
  role: roleName.optional(),
  ca: z.string().min(1).max(1536).optional(),
  revoked: z.stringbool().default(false).describe('Roles that were revoked too.')
})

/** A role that somebody holds or held. */
export const operatorView = z.object({
  id: z.uuid(),
  account: z.string(),
  principalId: z.uuid(),
  disabled: z.boolean(),
  role: roleName,
  ca: z.string().optional().describe('Absent for every CA.'),
  scope: z.object({ templates: z.array(z.string()), subjectGroups: z.array(z.string()) }).optional(),
  grantedBy: z.string(),
  grantedAt: z.string(),
  revokedBy: z.string().optional(),
  revokedAt: z.string().optional()
})

/** One page of roles. */
export const operatorsView = pageView(operatorView)

export type GrantBody = z.infer<typeof grantBody>
export type OperatorsQuery = z.infer<typeof operatorsQuery>
export type OperatorView = z.infer<typeof operatorView>
export type OperatorsView = z.infer<typeof operatorsView>
