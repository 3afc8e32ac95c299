import type { PrincipalId, RequestId } from '@app/core'
import type { RequestRow } from './request-row.js'

/** What somebody did to a request that was theirs to decide. */
export interface DecisionRow {
  readonly id: number
  readonly requestId: RequestId
  /** The round of the request that it belongs to; a resubmission is the last of its round. */
  readonly round: number
  readonly kind: 'approve' | 'deny' | 'resubmit' | 'edit'
  readonly principalId: PrincipalId
  /** DOMAIN\account at that time. */
  readonly principalName: string
  readonly at: Date
  /** A denial has one. */
  readonly reason: string | null
}

/** A decision about to be recorded. */
export type NewDecision = Omit<DecisionRow, 'id'>

/** One attribute or extension that an officer put into a pending request. */
export interface EditRow {
  readonly decisionId: number
  readonly kind: 'attribute' | 'extension'
  /** The attribute's name, or the extension's object identifier. */
  readonly name: string
  /** Of an attribute. */
  readonly attributeValue: string | null
  /** Of an extension: the content of its OCTET STRING; null when it is disabled. */
  readonly extensionValue: Buffer | null
  readonly critical: boolean | null
  /** Whether the certificate is not to have the extension. */
  readonly disabled: boolean | null
}

/** An edit about to be recorded with its decision. */
export type NewEdit = Omit<EditRow, 'decisionId'>

/** The members of {@link RequestToDecide} that are the request's own. */
export const REQUEST_DECISION_COLUMNS = [
  'id',
  'caId',
  'state',
  'requesterId',
  'requesterName',
  'callerId',
  'callerName',
  'templateId',
  'templateName',
  'carriesKey',
  'submittedAt',
  'resolvedAt',
  'failureCode',
  'round'
] as const satisfies readonly (keyof RequestRow)[]

/** What a decision on a request rests on. */
export interface RequestToDecide extends Pick<RequestRow, (typeof REQUEST_DECISION_COLUMNS)[number]> {
  /** Whether it could be evaluated anew: its bytes are there, and the archived key that came with it. */
  readonly isWhole: boolean
  /** How many people must approve it; null while there is no template. */
  readonly approvals: number | null
}
