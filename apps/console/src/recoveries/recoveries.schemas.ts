import { z } from 'zod'
import { RECOVERY_STATES } from '@app/storage'
import { pageQuery, pageView } from '../access/page.schemas.js'
import { keyCriteria, sealMode } from '../archived-keys/archived-keys.schemas.js'

/** The number of a recovery. */
export const recoveryParameter = z.coerce.number().int().min(1).max(0x7fffffff)

const text = (most: number) => z.string().max(most).regex(/\S/, 'is empty')

/** A certificate, DER in base64. */
const certificate = z.base64().min(1).max(32_768)

/** Which key is wanted, why, and whom it is for. */
export const recoveryBody = z.strictObject({
  key: z
    .strictObject(keyCriteria)
    .refine(
      criteria => Object.entries(criteria).some(([name, value]) => name !== 'ca' && value !== undefined),
      'names no certificate: give its serial number, subject, UPN, account, fingerprint or request'
    ),
  reason: text(1000),
  ticket: text(200).describe('What the recovery is known by elsewhere.'),
  recipient: certificate
    .optional()
    .describe(
      'The certificate, DER in base64, that agents encrypt their shares to; for a one-time key one that is signed by itself. Without it only a key is recovered that each agent opens alone.'
    )
})

/** What the list of recoveries is narrowed by. */
export const recoveriesQuery = pageQuery.extend({
  cursor: recoveryParameter.optional().describe('The `next` of the page before.'),
  state: z.enum(RECOVERY_STATES).optional(),
  ca: z.string().min(1).max(1536).optional(),
  request: recoveryParameter.optional().describe('The request of the archived key.'),
  mine: z
    .stringbool()
    .default(false)
    .describe('Those only that the caller asked for, or can still approve with an agent of its own.')
})

/** Which of the caller’s agents is meant, where it has several. */
export const shareQuery = z.object({ agent: recoveryParameter.optional() })

/** An approval. */
export const approvalBody = z.strictObject({
  agentId: z.int().min(1).max(0x7fffffff).optional().describe('Which agent of the caller’s, where it has several.'),
  share: z
    .base64()
    .min(1)
    .max(32_768)
    .optional()
    .describe(
      'Of a key that several open together: the agent’s share, encrypted to the recipient (ContentInfo, DER in base64).'
    )
})

/** Why a recovery is refused. */
export const refusalBody = z.strictObject({ reason: text(1000) })

/** A recovery in short. */
const recoveryItem = z.object({
  id: z.number().int(),
  ca: z.string(),
  state: z.enum(RECOVERY_STATES),
  mode: sealMode,
  approvals: z.object({
    given: z.number().int().describe('Those that count at the moment.'),
    needed: z.number().int()
  }),
  requestId: z.number().int(),
  serialNumber: z.string(),
  subject: z.string(),
  account: z.string().optional(),
  requestedBy: z.string(),
  reason: z.string(),
  ticket: z.string(),
  recipient: z
    .object({ subject: z.string(), sha256: z.string(), selfSigned: z.boolean() })
    .optional()
    .describe('What agents compare before they encrypt anything to it.'),
  requestedAt: z.string(),
  expiresAt: z.string(),
  approvedAt: z.string().optional(),
  releaseUntil: z.string().optional(),
  releasedAt: z.string().optional(),
  closed: z.object({ at: z.string(), by: z.string(), reason: z.string().optional() }).optional(),
  ownerToldAt: z.string().optional(),
  ownerToldFrom: z.string().optional().describe('When the owner of the certificate will be told.')
})

/** One page of recoveries. */
export const recoveriesView = pageView(recoveryItem)

/** A recovery with those who can approve it and those who did. */
export const recoveryDetail = recoveryItem.extend({
  agents: z.array(
    z.object({
      agentId: z.number().int(),
      name: z.string(),
      account: z.string().optional(),
      usable: z.boolean(),
      approvedBy: z.string().optional(),
      approvedAt: z.string().optional(),
      counts: z.boolean().describe('Whether its approval counts at the moment; for a released one, whether it did.')
    })
  )
})

/** What an agent approves with: its own share and nobody else’s, and whom to encrypt it to. */
export const shareView = z.object({
  recoveryId: z.number().int(),
  mode: sealMode,
  agentId: z.number().int(),
  agentCertificate: z.string().describe('DER in base64.'),
  part: z
    .string()
    .optional()
    .describe('The agent’s share of the key, encrypted to the agent (DER in base64); absent where agents open alone.'),
  binding: z.string().optional().describe('What the share is told right by (base64).'),
  recipient: z.string().optional().describe('The certificate to encrypt the share to, DER in base64.')
})

/** What the recipient opens with its own key, or an agent with its. The one answer of this program with a key in it. */
export const packageView = z.object({
  recoveryId: z.number().int(),
  mode: sealMode,
  package: z
    .string()
    .describe(
      'DER in base64. any-agent: the signed blob of ICertAdmin2::GetArchivedKey; threshold: the key that the shares open.'
    ),
  shares: z.array(
    z.object({ agentId: z.number().int(), share: z.string().describe('Encrypted to the recipient, DER in base64.') })
  ),
  certificate: z.string().describe('The certificate of the key, DER in base64.'),
  chain: z.array(z.string()).describe('Its issuers, DER in base64.')
})

export type RecoveryBody = z.infer<typeof recoveryBody>
export type RecoveriesQuery = z.infer<typeof recoveriesQuery>
export type ShareQuery = z.infer<typeof shareQuery>
export type ApprovalBody = z.infer<typeof approvalBody>
export type RefusalBody = z.infer<typeof refusalBody>
export type RecoveryItem = z.infer<typeof recoveryItem>
export type RecoveriesView = z.infer<typeof recoveriesView>
export type RecoveryDetail = z.infer<typeof recoveryDetail>
export type ShareView = z.infer<typeof shareView>
export type PackageView = z.infer<typeof packageView>
