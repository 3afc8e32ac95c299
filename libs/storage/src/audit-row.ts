/** Facts of an audit event: plain values, never a secret. */
export type AuditDetail = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** What an event is about. */
export type AuditObject =
  | 'request'
  | 'certificate'
  | 'crl'
  | 'ca'
  | 'template'
  | 'principal'
  | 'credential'
  | 'agent'
  | 'exchange_key'
  | 'sealed_key'
  | 'installation'

/** One entry of the audit log, before it has its place there. */
export interface AuditEvent {
  readonly at: Date
  /** Who did it: an account, or `role:<process role>` for the program itself. */
  readonly actor: string
  /** Object and verb, as `request.approved`. */
  readonly action: `${AuditObject}.${string}`
  readonly objectType: AuditObject
  readonly objectId: string
  readonly outcome: 'success' | 'denied' | 'failed'
  readonly detail: AuditDetail
}

/** One entry of the audit log. */
export interface AuditRow extends AuditEvent {
  /** Rises by one or more with each entry. */
  readonly seq: number
}

/** Who makes a change and what else the log should say of it. The rest of the event follows from the change. */
export interface Because {
  readonly actor: string
  readonly detail?: AuditDetail
}
