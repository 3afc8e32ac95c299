import { z } from 'zod'
import { roleName } from '../operators/operators.schemas.js'

/** A browser in which somebody is signed in. */
export const sessionView = z.object({
  id: z.uuid(),
  method: z.enum(['oidc']),
  createdAt: z.string(),
  lastSeenAt: z.string(),
  expiresAt: z.string(),
  current: z.boolean().describe('Whether it is the one that asks.')
})

/** Who calls, and what it may do. */
export const signedInView = z.object({
  account: z.string(),
  principalId: z.uuid(),
  displayName: z.string().optional(),
  credential: z.enum(['token', 'session', 'certificate']),
  roles: z.array(
    z.object({
      role: roleName,
      ca: z.string().optional().describe('Absent for every CA.'),
      scope: z.object({ templates: z.array(z.string()), subjectGroups: z.array(z.string()) }).optional()
    })
  ),
  sessions: z.array(sessionView)
})

/** What an identity provider sends back, besides what is for it alone. */
export const callbackQuery = z.object({ state: z.string().min(1).max(512) })

export type SessionView = z.infer<typeof sessionView>
export type SignedInView = z.infer<typeof signedInView>
