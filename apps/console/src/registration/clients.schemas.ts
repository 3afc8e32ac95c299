import { z } from 'zod'
import { APPROVAL_MODES, APPROVAL_STATES, SMSID_PATTERN } from '@app/registration'
import { reasonName } from '../certificates/certificates.schemas.js'
import { pageQuery, pageView, uuidPageQuery } from '../access/page.schemas.js'

const smsid = z.string().regex(SMSID_PATTERN, 'is no GUID: identifier')

/** The client that an address names. */
export const smsidParameter = smsid

const flag = z.enum(['true', 'false']).transform(text => text === 'true')

/** What the list of clients is narrowed by. */
export const clientsQuery = pageQuery.extend({
  cursor: smsid.optional().describe('The `next` of the page before.'),
  status: z.enum(['pending', 'registered', 'rejected']).optional(),
  approval: z.enum(['not_approved', 'approved', 'not_applicable']).optional(),
  blocked: flag.optional(),
  name: z.string().min(1).max(256).optional().describe('A beginning of the NetBIOS name or of the full name.')
})

/** Why an operator decides as it does. */
export const clientDecisionBody = z.strictObject({ comment: z.string().min(1).max(1024).optional() })

/** As {@link clientDecisionBody}, with the reason that the client's certificates are revoked for. */
export const blockBody = clientDecisionBody.extend({ reason: reasonName.default('privilegeWithdrawn') })

const clientShape = {
  smsid,
  status: z.enum(['pending', 'registered', 'rejected']),
  approval: z.enum(APPROVAL_STATES).describe('A block counts before everything else.'),
  mode: z.enum(['mixed', 'native']),
  netbiosName: z.string(),
  fqdn: z.string(),
  hardwareId: z.string().optional(),
  agentType: z.number(),
  agentIdentity: z.string(),
  proxySmsid: z.string().optional().describe('The proxy that signs for it.'),
  integrated: z.boolean().describe('Whether it proved to be an account of the directory.'),
  accountId: z.string().optional().describe('The account that it is in the directory.'),
  thumbprint: z.string().describe('SHA-1 of its signing certificate.'),
  refusal: z.string().optional(),
  mergedInto: z.string().optional(),
  requestedAt: z.string(),
  decidedAt: z.string().optional(),
  confirmedAt: z.string().optional(),
  blockedAt: z.string().optional()
}

/** A client. */
const clientView = z.object(clientShape)

/** One page of clients. */
export const clientsView = pageView(clientView)

/** A client with what it said of itself. */
export const clientDetailView = z.object({
  ...clientShape,
  agentVersion: z.string(),
  properties: z.record(z.string(), z.string()),
  certificate: z.string().describe('PEM'),
  revoked: z.array(z.string()).optional().describe('Serial numbers of the certificates that a block revoked.')
})

/** What the list of conflicts is narrowed by. */
export const conflictsQuery = uuidPageQuery.extend({
  open: flag.optional().describe('Those that wait for an operator, or those that do not; all when left out.')
})

/** Two clients with one hardware identifier. */
const conflictView = z.object({
  id: z.string(),
  smsid: z.string().describe('The newcomer.'),
  conflictSmsid: z.string().describe('The client that was there.'),
  hardwareId: z.string(),
  foundAt: z.string(),
  resolution: z.enum(['keep', 'new', 'merge']).optional(),
  resolvedAt: z.string().optional()
})

/** One page of conflicts. */
export const conflictsView = pageView(conflictView)

/** What the two clients are. */
export const resolveBody = clientDecisionBody.extend({
  resolution: z
    .enum(['keep', 'new', 'merge'])
    .describe('keep: refuse the newcomer; new: they are two; merge: they are one, under the old identifier.')
})

const domainName = z.string().min(1).max(255)

/** The settings of the site. */
export const siteBody = z.strictObject({
  siteCode: z.string().regex(/^[A-Z0-9]{3}$/, 'is not three letters or digits'),
  mode: z.enum(['mixed', 'native', 'both']),
  approvalMode: z.enum(APPROVAL_MODES),
  waitMinimumSeconds: z.int().min(1).max(3600),
  waitMaximumSeconds: z.int().min(1).max(3600),
  replayWindowSeconds: z.int().min(30).max(86_400),
  crlChecked: z.boolean().describe('Whether the CRLs of other CAs are looked into for clients of native mode.'),
  sha1Taken: z.boolean().describe('Whether signatures with SHA-1 are taken, as the first version made them.'),
  trustedAuthorities: z
    .array(z.string().max(64 * 1024))
    .max(100)
    .describe('PEM of CAs beside those of this installation.'),
  trustedDomains: z.array(domainName).max(1000)
})

/** The settings of the site and their version. */
export const siteView = siteBody.extend({ etag: z.string() })

/** A proxy to be imported. */
export const proxyBody = z.strictObject({
  name: z.string().min(1).max(256),
  certificate: z
    .string()
    .max(64 * 1024)
    .describe('PEM')
})

/** A program that registers clients and signs for them. */
export const proxyView = z.object({
  smsid,
  name: z.string(),
  thumbprint: z.string(),
  importedAt: z.string(),
  removedAt: z.string().optional()
})

/** All proxies. */
export const proxiesView = z.object({ items: z.array(proxyView) })

/** The certificates that replies are signed with. */
export const signingCertificatesView = z.object({
  items: z.array(z.object({ thumbprint: z.string(), sha256: z.string(), createdAt: z.string(), pem: z.string() }))
})

export type ClientsQuery = z.infer<typeof clientsQuery>
export type ClientDecisionBody = z.infer<typeof clientDecisionBody>
export type BlockBody = z.infer<typeof blockBody>
export type ClientView = z.infer<typeof clientView>
export type ClientsView = z.infer<typeof clientsView>
export type ClientDetailView = z.infer<typeof clientDetailView>
export type ConflictsQuery = z.infer<typeof conflictsQuery>
export type ConflictView = z.infer<typeof conflictView>
export type ConflictsView = z.infer<typeof conflictsView>
export type ResolveBody = z.infer<typeof resolveBody>
export type SiteBody = z.infer<typeof siteBody>
export type SiteView = z.infer<typeof siteView>
export type ProxyBody = z.infer<typeof proxyBody>
export type ProxyView = z.infer<typeof proxyView>
export type ProxiesView = z.infer<typeof proxiesView>
export type SigningCertificatesView = z.infer<typeof signingCertificatesView>
