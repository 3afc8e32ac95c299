import { z } from 'zod'
import { CERTIFICATE_STATES } from '@app/storage'
import { pageQuery, pageView } from '../access/page.schemas.js'
import { serialParameter } from '../certificates/certificates.schemas.js'
import { accountName } from '../operators/operators.schemas.js'

const caName = z.string().min(1).max(1536)
const requestId = z.coerce.number().int().min(1).max(0x7fffffff)

/** What an archived key is found by: whatever of its certificate is known. */
export const keyCriteria = {
  ca: caName.optional(),
  serial: serialParameter.optional(),
  subject: z.string().min(1).max(256).optional().describe('Words that begin those of the subject.'),
  upn: z.string().min(1).max(1024).optional().describe('User principal name of the account.'),
  account: accountName.optional(),
  fingerprint: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2}:?){19}[0-9A-Fa-f]{2}$|^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/)
    .optional()
    .describe('SHA-1 or SHA-256 of the certificate.'),
  request: requestId.optional()
} as const

/** What the list of archived keys is narrowed by. */
export const archivedKeysQuery = pageQuery.extend({
  ...keyCriteria,
  cursor: requestId.optional().describe('The `next` of the page before.')
})

/** The number of the request that a key was archived with. */
export const archivedKeyParameter = requestId

/** How an archived key is sealed: each agent opens it alone, or several do together. */
export const sealMode = z.enum(['any-agent', 'threshold'])

/** An archived key: what it is and who could open it. Never the key, sealed or not. */
export const archivedKeyItem = z.object({
  requestId: z.number().int(),
  ca: z.string(),
  serialNumber: z.string(),
  subject: z.string(),
  account: z.string().optional().describe('Absent for a certificate of the installation itself.'),
  template: z.string().optional(),
  state: z.enum(CERTIFICATE_STATES),
  notBefore: z.string(),
  notAfter: z.string(),
  sha1: z.string(),
  sha256: z.string(),
  mode: sealMode,
  quorum: z.number().int().describe('How many people must approve a recovery.'),
  algorithm: z.string(),
  bits: z.number().int(),
  sealedAt: z.string(),
  agents: z.array(
    z.object({
      agentId: z.number().int(),
      name: z.string(),
      account: z.string().optional().describe('Who holds the key; without one it approves nothing.'),
      usable: z.boolean().describe('Whether it is in use and valid.')
    })
  )
})

/** One page of archived keys. */
export const archivedKeysView = pageView(archivedKeyItem)

export type KeyCriteria = Omit<z.infer<typeof archivedKeysQuery>, 'limit' | 'cursor'>
export type ArchivedKeysQuery = z.infer<typeof archivedKeysQuery>
export type ArchivedKeyItem = z.infer<typeof archivedKeyItem>
export type ArchivedKeysView = z.infer<typeof archivedKeysView>
