import { z } from 'zod'
import { pageView } from '../access/page.schemas.js'

/** How the LDAP server is to be read. */
export const runBody = z.strictObject({
  full: z.boolean().default(false).describe('Every entry, changed or not.'),
  acceptRemovals: z
    .boolean()
    .default(false)
    .describe('Disable those that are gone even where they are more than directory.ldap.read.mostRemovedPercent.')
})

/** One reading of the LDAP server. */
export const runView = z.object({
  id: z.uuid(),
  state: z.enum(['due', 'running', 'done', 'failed']),
  requestedBy: z.string(),
  requestedAt: z.string(),
  full: z.boolean(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
  entries: z.number().int(),
  added: z.number().int(),
  changed: z.number().int(),
  disabled: z.number().int(),
  refused: z.number().int(),
  error: z.string().optional()
})

/** How reading stands. */
export const ldapView = z.object({
  enabled: z.boolean(),
  everyMinutes: z.number().int(),
  accounts: z.number().int().describe('Accounts and groups that come from the LDAP server.'),
  refused: z.number().int().describe('Entries that are not as the LDAP server says.'),
  runs: z.array(runView).describe('The latest, the newest first.')
})

/** Entries that could not be taken, or not wholly. */
export const refusedView = pageView(z.object({ guid: z.uuid(), dn: z.string(), error: z.string() }))

export type RunBody = z.infer<typeof runBody>
export type RunView = z.infer<typeof runView>
export type LdapView = z.infer<typeof ldapView>
export type RefusedView = z.infer<typeof refusedView>
