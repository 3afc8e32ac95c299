import type { AuditAction, AuditObject } from '@app/audit'

/** Facts of an audit event: plain values, never a secret. */
export type AuditDetail = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** One entry of the audit log, before it has its place there. */
export interface AuditEvent {
  readonly at: Date
  /** Who did it: an account, or `role:<process role>` for the program itself. */
  readonly actor: string
  /** Object and verb, as `request.approved`. */
  readonly action: AuditAction
  readonly objectType: AuditObject
  readonly objectId: string
  readonly outcome: 'success' | 'denied' | 'failed'
  readonly detail: AuditDetail
}

/** One entry of the audit log. */
export interface AuditRow extends Omit<AuditEvent, 'action' | 'objectType'> {
  /** Of another version of the program it may be one that this one does not know. */
  readonly action: string
  readonly objectType: string
  /** Rises by one or more with each entry. */
  readonly seq: number
}

/** Who makes a change and what else the log should say of it. The rest of the event follows from the change. */
export interface Because {
  readonly actor: string
  readonly detail?: AuditDetail
}
