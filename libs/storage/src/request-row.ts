import type { CaId, PrincipalId, RequestId, RequestState, TemplateId } from '@app/core'

/** The forms of a request (CR_IN_PKCS10, CR_IN_CMC, CR_IN_PKCS7, CR_IN_KEYGEN). */
export type RequestFormat = 'pkcs10' | 'cmc' | 'pkcs7' | 'keygen'

/** A request. Its number is what a client knows it by. */
export interface RequestRow {
  readonly id: RequestId
  readonly caId: CaId
  readonly state: RequestState
  readonly format: RequestFormat
  readonly dialect: 'microsoft' | 'standard'
  /** As received, the archived key taken out. */
  readonly rawRequest: Buffer
  /** SHA-256 of the bytes as received, the archived key included. */
  readonly requestDigest: Buffer
  /** The name-value pairs that came beside the request, as text. */
  readonly requestAttributes: string
  /** The CR_IN_… word. */
  readonly flags: number
  /** The CR_FLG_… word. */
  readonly rowFlags: number
  readonly requesterId: PrincipalId | null
  /** DOMAIN\account, or what else is known of the requester. */
  readonly requesterName: string
  /** Who submitted it, when that was another than the requester: an enrollment agent. */
  readonly callerId: PrincipalId | null
  readonly callerName: string | null
  readonly subject: string | null
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer | null
  /** SHA-1 of the public key's bit string. */
  readonly keyId: Buffer | null
  /** The template version that the request was judged by; never changes once set. */
  readonly templateId: TemplateId | null
  /** The name asked for, or that of the template. */
  readonly templateName: string | null
  /** Whether that template demands an archived key; null while there is no template. */
  readonly archival: boolean | null
  readonly carriesKey: boolean
  readonly keyHashAlgorithm: string | null
  readonly keyHash: Buffer | null
  readonly proofDigest: string | null
  readonly bodyPartId: number
  /** Content octets of the INTEGER. */
  readonly transactionId: Buffer | null
  readonly senderNonce: Buffer | null
  readonly idempotencyKey: string | null
  readonly outOfBand: boolean
  readonly submittedAt: Date
  /** When it was issued, denied or failed; null before. */
  readonly resolvedAt: Date | null
  readonly failureCode: string | null
  readonly failureMessage: string | null
  readonly dispositionMessage: string
  /** Until when no step takes it up again. */
  readonly leaseUntil: Date | null
  /** How often a lease was taken in the present state. */
  readonly attempts: number
  /** The state that the stored full response tells of; null when there is none. */
  readonly respondedState: RequestState | null
  /** From 1; each resubmission begins another, in which nothing of the earlier ones counts. */
  readonly round: number
  /** When it is denied unless it has been decided; of a request that waits for an officer. */
  readonly pendingUntil: Date | null
}

/** The members of {@link RequestSummary}. */
export const REQUEST_SUMMARY_COLUMNS = [
  'id',
  'caId',
  'state',
  'format',
  'dialect',
  'requesterId',
  'requesterName',
  'callerId',
  'callerName',
  'subject',
  'keyId',
  'templateId',
  'templateName',
  'archival',
  'carriesKey',
  'outOfBand',
  'submittedAt',
  'resolvedAt',
  'failureCode',
  'failureMessage',
  'dispositionMessage'
] as const satisfies readonly (keyof RequestRow)[]

/** What a list shows of a request. */
export type RequestSummary = Pick<RequestRow, (typeof REQUEST_SUMMARY_COLUMNS)[number]>

/** The members of {@link RequestOutcome} that are the request's own. */
export const REQUEST_OUTCOME_COLUMNS = [
  'id',
  'caId',
  'state',
  'requesterId',
  'callerId',
  'templateName',
  'archival',
  'outOfBand',
  'submittedAt',
  'resolvedAt',
  'failureCode',
  'dispositionMessage',
  'respondedState'
] as const satisfies readonly (keyof RequestRow)[]

/** What is told of a request to those who wait for it. */
export interface RequestOutcome extends Pick<RequestRow, (typeof REQUEST_OUTCOME_COLUMNS)[number]> {
  /** Of the certificate that was issued, revoked or not; null when none was. */
  readonly serialNumber: Buffer | null
}

/** The members of {@link RequestForSealing}. */
export const REQUEST_SEALING_COLUMNS = [
  'id',
  'caId',
  'state',
  'requesterId',
  'requesterName',
  'publicKey',
  'keyId',
  'templateId',
  'templateName',
  'archival',
  'carriesKey',
  'submittedAt',
  'leaseUntil',
  'attempts'
] as const satisfies readonly (keyof RequestRow)[]

/** What the archive may know of a request. */
export type RequestForSealing = Pick<RequestRow, (typeof REQUEST_SEALING_COLUMNS)[number]>
