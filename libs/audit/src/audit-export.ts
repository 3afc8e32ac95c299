import { toHex } from '@app/core'
import { windowsEventOf } from './audit-action.js'
import type { HashedEvent } from './audit-hash.js'

/** The forms that entries of the log are written out in. */
export const EXPORT_FORMATS = ['jsonl', 'csv'] as const

/** A member of {@link EXPORT_FORMATS}. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** An event with its link, if it has one yet. */
export interface EventToExport extends HashedEvent {
  readonly position: number | null
  readonly hash: Uint8Array | null
}

const COLUMNS = [
  'seq',
  'at',
  'actor',
  'action',
  'objectType',
  'objectId',
  'outcome',
  'windowsEvent',
  'detail',
  'position',
  'hash'
] as const

/** What stands above the first line of an export: the names of the columns of CSV (RFC 4180), or nothing. */
export function exportHeading(format: ExportFormat): string {
  return format === 'csv' ? `${COLUMNS.join(',')}\r\n` : ''
}

/**
 * An event as a line of an export. JSON has the detail as the database has it, so that what was hashed can be made of it
 * again. CSV puts an apostrophe before what a spreadsheet would take for a formula.
 */
export function exportLine(event: EventToExport, format: ExportFormat): string {
  const { seq, detail, position } = event
  const hash = event.hash === null ? null : toHex(event.hash)
  const windowsEvent = windowsEventOf(event.action, fromOf(detail))
  if (format === 'csv') {
    return `${COLUMNS.map(name => cell({ ...event, hash, windowsEvent }[name])).join(',')}\r\n`
  }
  const { at, actor, action, objectType, objectId, outcome } = event
  const text = JSON.stringify({ at, actor, action, objectType, objectId, outcome, windowsEvent, position, hash })
  return `{"seq":${seq},${text.slice(1, -1)},"detail":${detail}}\n`
}

/** The state that a request left, by the detail of an event. */
function fromOf(detail: string): unknown {
  return detail.includes('"from"') ? (JSON.parse(detail) as Readonly<Record<string, unknown>>)['from'] : undefined
}

function cell(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  return `"${/^[=+\-@\t\r]/.test(value) ? "'" : ''}${value.replaceAll('"', '""')}"`
}
