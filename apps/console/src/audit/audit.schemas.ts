import { z } from 'zod'
import { AUDIT_ACTIONS, EXPORT_FORMATS, type AuditAction, type AuditObject } from '@app/audit'
import { pageQuery, pageView } from '../access/page.schemas.js'

const actions = Object.keys(AUDIT_ACTIONS) as AuditAction[]
const objects = [...new Set(actions.map(action => action.split('.')[0] as AuditObject))]
const text = z.string().min(1).max(1024)
const time = z.iso.datetime({ offset: true }).transform(value => new Date(value))
const number = z.coerce.number().int().min(0)

/** What entries of the log are narrowed by. */
const filter = {
  actor: text.optional().describe('Who did it, exactly.'),
  action: z.enum(actions).optional(),
  objectType: z.enum(objects).optional(),
  objectId: text.optional(),
  outcome: z.enum(['success', 'denied', 'failed']).optional(),
  from: time.optional().describe('At this time or later.'),
  until: time.optional().describe('Before this time.')
}

/** What the list of entries is narrowed by, and where it goes on. */
export const auditQuery = pageQuery.extend({ ...filter, cursor: z.coerce.number().int().min(1).optional() })

/** What an export is narrowed by, and its form. */
export const exportQuery = z.object({ ...filter, format: z.enum(EXPORT_FORMATS).default('jsonl') })

/** An entry of the log. */
const entryView = z.object({
  seq: z.number(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  objectType: z.string(),
  objectId: z.string(),
  outcome: z.string(),
  windowsEvent: z.number().optional().describe('The id that Windows logs the same under.'),
  windowsText: z.string().optional(),
  detail: z.record(z.string(), z.unknown())
})

/** One page of entries. */
export const entriesView = pageView(entryView)

/** A checkpoint, as the file has it in a line. */
const checkpointView = z.object({
  position: z.number(),
  hash: z.string(),
  settled: z.number(),
  at: z.string(),
  key: z.string().describe('SHA-256 of the key.'),
  signature: z.string().describe('ECDSA, DER in base64.')
})

/** How far the chain is, its last checkpoint and the keys that the database names. */
export const statusView = z.object({
  linked: z.number().describe('Entries in the chain.'),
  unlinked: z.number().describe('Entries that wait to be linked.'),
  newest: z.number(),
  checkpoint: checkpointView.optional().describe('The last one.'),
  checkpointSigned: z.boolean().optional().describe('Whether one of the keys made its signature.'),
  keys: z.array(z.object({ key: z.string(), publicKey: z.string(), at: z.string() }))
})

/** Where a part of the chain begins, and how long it is. */
export const afterQuery = z.object({
  after: number.default(0).describe('The position after which to begin.'),
  limit: z.coerce.number().int().min(1).max(5000).default(1000)
})

/** Checkpoints by their position. */
export const checkpointsView = z.object({ items: z.array(checkpointView) })

/** A link of the chain with its entry, every field as the text that is hashed; without one when the entry is gone. */
const linkView = z.object({
  position: z.number(),
  seq: z.number(),
  hash: z.string(),
  event: z
    .object({
      seq: z.string(),
      at: z.string(),
      actor: z.string(),
      action: z.string(),
      objectType: z.string(),
      objectId: z.string(),
      outcome: z.string(),
      detail: z.string()
    })
    .optional(),
  checkpoint: checkpointView.optional()
})

/** Links by their position. */
export const linksView = z.object({ items: z.array(linkView) })

/** The number up to which no entry may lack a link. */
export const gapQuery = z.object({ upTo: number })

/** The first entry up to there that has no link; without a number when there is none. */
export const gapView = z.object({ seq: z.number().optional() })

export type AuditQuery = z.infer<typeof auditQuery>
export type ExportQuery = z.infer<typeof exportQuery>
export type EntryView = z.infer<typeof entryView>
export type EntriesView = z.infer<typeof entriesView>
export type CheckpointView = z.infer<typeof checkpointView>
export type CheckpointsView = z.infer<typeof checkpointsView>
export type StatusView = z.infer<typeof statusView>
export type AfterQuery = z.infer<typeof afterQuery>
export type LinksView = z.infer<typeof linksView>
export type GapQuery = z.infer<typeof gapQuery>
export type GapView = z.infer<typeof gapView>
