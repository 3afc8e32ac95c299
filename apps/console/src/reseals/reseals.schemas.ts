import { z } from 'zod'
import { pageView, uuidPageQuery } from '../access/page.schemas.js'

const agentId = z.int().min(1).max(2_147_483_647)
const requestId = z.int().min(1).max(2_147_483_647)
const base64 = (most: number, what: string) => z.base64().min(1).max(most).describe(what)

/** What a reseal is started with. */
export const startBody = z.strictObject({
  fromAgent: agentId.describe('Whose keys are handed on; it may be retired or expired.'),
  toAgent: agentId.describe('To whom: another agent of the CA, alive.'),
  reason: z.string().trim().min(1).max(500)
})

/** What the list of reseals is narrowed by. */
export const resealsQuery = uuidPageQuery.extend({
  state: z.enum(['open', 'completed', 'cancelled']).optional(),
  fromAgent: z.coerce.number().int().min(1).max(2_147_483_647).optional()
})

/** Which parts are wanted. */
export const partsQuery = z.object({
  after: z.coerce.number().int().min(0).max(2_147_483_647).default(0).describe('Of keys with a higher number only.'),
  limit: z.coerce.number().int().min(1).max(200).default(100)
})

/** Parts, each encrypted to the successor. */
export const partsBody = z.strictObject({
  parts: z
    .array(z.strictObject({ requestId, part: base64(8192, 'The part, encrypted to the successor.') }))
    .min(1)
    .max(200)
})

/** What the successor says of parts. */
export const verdictsBody = z.strictObject({
  verdicts: z
    .array(
      z.strictObject({
        requestId,
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .describe('Of the part that was looked at.'),
        right: z.boolean().describe('Whether it opens and belongs to the key.')
      })
    )
    .min(1)
    .max(200)
})

const partyView = z.object({ id: z.number(), name: z.string(), sha256: z.string(), account: z.string().optional() })

/** One reseal, and how far its keys are. */
export const resealView = z.object({
  id: z.string(),
  ca: z.string(),
  state: z.enum(['open', 'completed', 'cancelled']),
  from: partyView.describe('Who hands on.'),
  to: partyView.describe('Who verifies.'),
  reason: z.string(),
  startedBy: z.string(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  total: z
    .number()
    .optional()
    .describe('Keys that were sealed to the agent at the start; absent until they are counted.'),
  keys: z.object({
    prepared: z.number().describe('Wait for the agent.'),
    handedOn: z.number().describe('Wait for the archive.'),
    stored: z.number().describe('Have a new form, and wait for the successor.'),
    verified: z.number().describe('Are about to be put in place, or wait for the end of a recovery.'),
    done: z.number().describe('Have their new form, and the old one no more.'),
    skipped: z.number().describe('Stay as they are: the successor has a part already.')
  })
})

/** One page of reseals. */
export const resealsView = pageView(resealView)

/** Parts of keys: each encrypted to the one agent who asks for it, and of no use without the sealed key. */
export const partsView = z.object({
  items: z.array(
    z.object({
      requestId: z.number(),
      mode: z.enum(['any-agent', 'threshold']),
      part: z.string().describe('Base64: a ContentInfo (threshold) or a KeyTransRecipientInfo (any-agent).'),
      binding: z.string().describe('Base64: what the part is told right by.'),
      failure: z.string().optional().describe('Why what was handed on before was not taken.')
    })
  )
})

/** How many parts were taken. */
export const takenView = z.object({ taken: z.number() })

/** How many parts were found right and wrong. */
export const judgedView = z.object({ right: z.number(), wrong: z.number() })

export type StartBody = z.infer<typeof startBody>
export type ResealsQuery = z.infer<typeof resealsQuery>
export type PartsQuery = z.infer<typeof partsQuery>
export type PartsBody = z.infer<typeof partsBody>
export type VerdictsBody = z.infer<typeof verdictsBody>
export type ResealView = z.infer<typeof resealView>
export type ResealsView = z.infer<typeof resealsView>
export type PartsView = z.infer<typeof partsView>
export type TakenView = z.infer<typeof takenView>
export type JudgedView = z.infer<typeof judgedView>
