import { z } from 'zod'
import { grantBody, operatorView } from '../operators/operators.schemas.js'

/** Whom an invitation makes of its redeemer, and how long it lasts. */
export const inviteBody = grantBody.omit({ account: true }).extend({
  hours: z.number().int().min(1).max(168).default(24).describe('How long the link can be redeemed.')
})

/** An invitation that can be redeemed still. */
const invitationView = operatorView.pick({ id: true, role: true, ca: true, scope: true }).extend({
  invitedBy: z.string(),
  createdAt: z.string(),
  expiresAt: z.string()
})

/** A new invitation, with its link, which is shown this once. */
export const newInvitationView = invitationView.extend({ link: z.string() })

/** All that can be redeemed still. */
export const invitationsView = z.object({ items: z.array(invitationView) })

/** What the redeemer of a link says. */
export const redeemBody = z.strictObject({
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is not the secret of a link'),
  account: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'has letters, digits, dots, dashes and underscores, at most 64')
    .describe('The name of the account that is made.'),
  displayName: z.string().min(1).max(64).describe('The name for people, which becomes that of the certificate.')
})

/** Who somebody has become, and what the first certificate is asked for with. */
export const redeemedView = z.object({
  account: z.string(),
  sid: z.string(),
  role: operatorView.shape.role,
  ca: z.string().describe('The CA to enroll at.'),
  template: z.string().describe('The template to enroll for.'),
  token: z.string().describe('A token that is good for enrolling, for a short time.'),
  expiresAt: z.string()
})

export type InviteBody = z.infer<typeof inviteBody>
export type InvitationView = z.infer<typeof invitationView>
export type NewInvitationView = z.infer<typeof newInvitationView>
export type RedeemBody = z.infer<typeof redeemBody>
export type RedeemedView = z.infer<typeof redeemedView>
