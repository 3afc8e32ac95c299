import { z } from 'zod'
import { ERROR_CODES, REQUEST_STATES, type ErrorCode } from '@app/core'
import type { InspectedRequest } from '@app/cmc'
import { pageQuery, pageView } from '../access/page.schemas.js'
import { accountName } from '../operators/operators.schemas.js'

/** The number of a request. */
export const requestIdParameter = z.coerce.number().int().min(1).max(0x7fffffff)

const STATES = [...REQUEST_STATES, 'all'] as const

/** One or several states, separated by commas. */
const statesQuery = z
  .string()
  .default('pending')
  .transform(text => text.split(',').map(state => state.trim()))
  .pipe(z.array(z.enum(STATES)).min(1).max(STATES.length))
  .describe(`States, separated by commas: ${STATES.join(', ')}.`)

const SECONDS = { m: 60, h: 3600, d: 86_400 } as const

const age = z
  .string()
  .regex(/^[1-9]\d{0,5}[mhd]$/, 'must be a number of minutes, hours or days, as 90m, 12h or 3d')
  .transform(text => Number(text.slice(0, -1)) * SECONDS[text.at(-1) as keyof typeof SECONDS])
  .describe('Submitted at least so long ago: 90m, 12h, 3d.')

/** What the queue is narrowed by, and how it is paged. */
export const queueQuery = pageQuery.extend({
  cursor: requestIdParameter.optional().describe('The `next` of the page before.'),
  order: z.enum(['newest', 'oldest']).default('newest').describe('Which comes first.'),
  state: statesQuery,
  ca: z.string().min(1).max(1536).optional(),
  template: z.string().min(1).max(256).optional(),
  requester: accountName.optional(),
  subject: z
    .string()
    .max(200)
    .regex(/[\p{L}\p{N}]/u, 'must have a letter or a digit')
    .optional()
    .describe('Words, or beginnings of words, of the subject. Finds what is pending, denied or failed.'),
  keyId: z
    .string()
    .regex(/^[0-9a-f]{40}$/i, 'must be 40 hexadecimal digits')
    .optional()
    .describe('SHA-1 of the public key.'),
  submittedFrom: z.iso.datetime({ offset: true }).optional(),
  submittedUntil: z.iso.datetime({ offset: true }).optional(),
  olderThan: age.optional()
})

const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]])
const time = z.string().describe('ISO 8601, UTC.')

/** A request as the queue lists it. */
export const queueItem = z.object({
  requestId: z.number(),
  ca: z.string(),
  state: z.enum(REQUEST_STATES),
  template: z.string().optional(),
  requester: z.string(),
  caller: z.string().optional().describe('Who sent it for the requester.'),
  subject: z.string().optional(),
  keyId: z.string().optional(),
  archivedKey: z.boolean().describe('Whether a private key came with it, to be archived.'),
  submittedAt: time,
  pendingUntil: time.optional().describe('When it is denied unless somebody has decided it.'),
  resolvedAt: time.optional(),
  round: z.number().describe('1, and one more with each resubmission.'),
  approvals: z.object({ given: z.number(), needed: z.number() }).describe('Of the present round.'),
  dispositionMessage: z.string(),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
  etag: z.string().describe('Changes with every decision, edit and move; for the header If-Match.')
})

/** One page of the queue. */
export const queueView = pageView(queueItem)

const decisionView = z.object({
  round: z.number(),
  kind: z.enum(['approve', 'deny', 'resubmit', 'edit']),
  by: z.string(),
  at: time,
  reason: z.string().optional(),
  edits: z
    .array(
      z.object({
        kind: z.enum(['attribute', 'extension']),
        name: z.string(),
        value: z.string().optional().describe('Of an extension, in base64.'),
        critical: z.boolean().optional(),
        disabled: z.boolean().optional()
      })
    )
    .optional()
})

const inspected = z
  .custom<InspectedRequest>(value => value !== undefined)
  .meta({ description: 'What the request says, decoded as by `certkeep request inspect`.', type: 'object' })

/** A request with everything that a decision on it may rest on. */
export const queueDetail = queueItem.extend({
  format: z.string(),
  requestAttributes: z.array(z.object({ name: z.string(), value: z.string() })).describe('Those beside the request.'),
  request: inspected.optional().describe('Absent when its bytes are not kept, or none could be read.'),
  subjectAltNames: z.array(z.object({ kind: z.string(), value: z.unknown() })).describe('All that it asks for.'),
  decisions: z.array(decisionView),
  events: z.array(
    z.object({
      at: time,
      actor: z.string(),
      action: z.string(),
      outcome: z.string(),
      detail: z.record(z.string(), z.unknown())
    })
  ),
  earlierCertificates: z
    .array(
      z.object({
        requestId: z.number(),
        serialNumber: z.string(),
        subject: z.string(),
        notBefore: time,
        notAfter: time,
        revokedAt: time.optional()
      })
    )
    .describe('Of the same requester, the newest first.')
})

const reason = z.string().trim().max(1024)

/** An approval or a resubmission. */
export const decisionBody = z.strictObject({ reason: reason.min(1).optional() })

/** A denial, which has a reason. */
export const denialBody = z.strictObject({ reason: reason.min(1, 'is needed: say why') })

/** Attributes to put into a pending request (ICertAdmin::SetRequestAttributes). */
export const attributesBody = z.strictObject({
  attributes: z
    .array(z.strictObject({ name: z.string().min(1).max(64), value: z.string().max(1024) }))
    .min(1)
    .max(32),
  reason: reason.min(1).optional()
})

/** Extensions to put into a pending request (ICertAdmin::SetCertificateExtension). */
export const extensionsBody = z.strictObject({
  extensions: z
    .array(
      z
        .strictObject({
          oid: z
            .string()
            .regex(/^[0-2](?:\.(?:0|[1-9]\d*))+$/, 'must be an object identifier')
            .max(255),
          value: z
            .base64()
            .max(65_536)
            .optional()
            .describe('The content of its OCTET STRING; none when it is disabled.'),
          critical: z.boolean().default(false).describe('Flag 1 of SetExtension.'),
          disabled: z.boolean().default(false).describe('Flag 2 of SetExtension: the certificate is to lack it.')
        })
        .refine(({ value, disabled }) => (value === undefined) === disabled, 'has either a value or is disabled')
    )
    .min(1)
    .max(32),
  reason: reason.min(1).optional()
})

/** Decisions on many requests. */
export const bulkBody = z.strictObject({
  decisions: z
    .array(
      z
        .strictObject({
          requestId: requestIdParameter,
          decision: z.enum(['approve', 'deny', 'resubmit']),
          reason: reason.min(1).optional(),
          etag: z.string().max(100).optional().describe('As the header If-Match of a single decision.')
        })
        .refine(({ decision, reason: why }) => decision !== 'deny' || why !== undefined, 'has to say why it denies')
    )
    .min(1)
    .max(200)
})

/** What came of each decision, in the order they were asked for. */
export const bulkView = z.object({
  results: z.array(
    z.object({
      requestId: z.number(),
      outcome: z.enum(['done', 'refused']),
      item: queueItem.optional(),
      problem: z.object({ status: z.number(), code: errorCode, hresult: z.string(), detail: z.string() }).optional()
    })
  )
})

export type QueueQuery = z.infer<typeof queueQuery>
export type QueueItem = z.infer<typeof queueItem>
export type QueueView = z.infer<typeof queueView>
export type QueueDetail = z.infer<typeof queueDetail>
export type DecisionView = z.infer<typeof decisionView>
export type DecisionBody = z.infer<typeof decisionBody>
export type DenialBody = z.infer<typeof denialBody>
export type AttributesBody = z.infer<typeof attributesBody>
export type ExtensionsBody = z.infer<typeof extensionsBody>
export type BulkBody = z.infer<typeof bulkBody>
export type BulkView = z.infer<typeof bulkView>
