import { z } from 'zod'
import { pageView, uuidPageQuery } from '../access/page.schemas.js'

const optionalName = (most: number) => z.string().min(1).max(most).nullable().optional()

const plainName = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\\\u0000-\u001f\u007f-\u009f]+$/, 'has no backslash and no control characters')

const serviceNames = z
  .array(
    z
      .string()
      .max(2048)
      .regex(/^[^/\s]+\/[^\s]+$/, 'is no service/host')
  )
  .max(1000)
const mappings = z
  .array(
    z
      .string()
      .max(2048)
      .regex(/^(?:X509|Kerberos):\P{Cc}+$/u, 'is no X509:… or Kerberos:…')
  )
  .max(1000)

/** The attributes of an account that may change; null takes one away, what is left out stays. */
export const changeBody = z.strictObject({
  displayName: optionalName(256),
  distinguishedName: optionalName(1024),
  upn: optionalName(1024),
  mail: optionalName(320),
  dnsName: optionalName(255),
  guid: z
    .guid()
    .nullable()
    .optional()
    .describe('objectGUID of an account that comes from another directory; without one the id is it.'),
  servicePrincipalNames: serviceNames.optional().describe('All of them, in place of those before.'),
  altSecurityIdentities: mappings
    .optional()
    .describe('All explicit certificate mappings (MS-PKCA 3.1.5.2.1.4), in place of those before.')
})

/** An account or a group to add. */
export const addBody = z.discriminatedUnion('kind', [
  changeBody.extend({
    kind: z.enum(['user', 'computer']),
    account: plainName(256),
    domain: plainName(255),
    sid: z
      .string()
      .regex(/^S-1-\d{1,14}(-\d{1,10}){1,15}$/, 'is no security identifier')
      .optional()
      .describe('One of another directory; one is allocated when left out.'),
    groups: z.array(z.string().min(1).max(256)).max(200).default([])
  }),
  z.strictObject({
    kind: z.literal('group'),
    account: plainName(256)
  })
])

/** What the list is narrowed by. */
export const directoryQuery = uuidPageQuery.extend({
  kind: z.enum(['user', 'computer', 'group']).optional(),
  name: z.string().min(1).max(256).optional().describe('How the account name, UPN, mail address or DNS name begins.'),
  domain: z.string().min(1).max(255).optional(),
  group: z.string().min(1).max(256).optional().describe('Members of this group, through others too.'),
  disabled: z.stringbool().optional(),
  sid: z.string().min(1).max(256).optional(),
  guid: z.guid().optional().describe('Its objectGUID.'),
  servicePrincipalName: z.string().min(1).max(2048).optional().describe('One that it has, whatever the case.'),
  altSecurityIdentity: z.string().min(1).max(2048).optional().describe('One that it has, whatever the case.')
})

/** A user, a computer or a group. */
export const principalView = z.object({
  id: z.uuid(),
  kind: z.enum(['user', 'computer', 'group']),
  account: z.string(),
  sid: z.string(),
  displayName: z.string().optional(),
  distinguishedName: z.string().optional(),
  upn: z.string().optional(),
  mail: z.string().optional(),
  dnsName: z.string().optional(),
  guid: z.guid().describe('Its objectGUID.'),
  servicePrincipalNames: z.array(z.string()),
  altSecurityIdentities: z.array(z.string()),
  groups: z.array(z.string()).describe('Every group that it is in, through others too.'),
  disabledAt: z.string().optional(),
  createdAt: z.string()
})

/** One page of them. */
export const principalsView = pageView(principalView)

/** A token of an account; the token itself is nowhere stored. */
const tokenView = z.object({
  id: z.uuid(),
  label: z.string(),
  scopes: z.array(z.string()),
  ca: z.string().optional(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  revokedAt: z.string().optional()
})

/** One account with the groups that it is directly in. */
export const principalDetailView = principalView.extend({ memberOf: z.array(z.string()) })

/** The tokens of an account. */
export const tokensView = z.object({ items: z.array(tokenView) })

export type AddBody = z.infer<typeof addBody>
export type ChangeBody = z.infer<typeof changeBody>
export type DirectoryQuery = z.infer<typeof directoryQuery>
export type PrincipalView = z.infer<typeof principalView>
export type PrincipalDetailView = z.infer<typeof principalDetailView>
export type PrincipalsView = z.infer<typeof principalsView>
export type TokenView = z.infer<typeof tokenView>
