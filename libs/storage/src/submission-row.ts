import type { EnvelopeRow } from './archive-row.js'
import type { Because } from './audit-row.js'
import type { RequestRow } from './request-row.js'
import { storableJson, storableText } from './text.js'

/** The columns that a submission fills, in the order of the statement's parameters. */
export const COLUMNS = [
  'caId',
  'state',
  'format',
  'dialect',
  'rawRequest',
  'requestDigest',
  'requestAttributes',
  'flags',
  'rowFlags',
  'requesterId',
  'requesterName',
  'callerId',
  'callerName',
  'subject',
  'publicKey',
  'keyId',
  'templateName',
  'carriesKey',
  'keyHashAlgorithm',
  'keyHash',
  'proofDigest',
  'bodyPartId',
  'transactionId',
  'senderNonce',
  'idempotencyKey',
  'submittedAt',
  'failureCode',
  'failureMessage',
  'dispositionMessage'
] as const satisfies readonly (keyof RequestRow)[]

/** A request that is about to be recorded. `received` has no failure, the other two states have one. */
export interface NewRequest extends Pick<RequestRow, Exclude<(typeof COLUMNS)[number], BinaryColumn | 'state'>> {
  readonly state: 'received' | 'denied' | 'failed'
  readonly rawRequest: Uint8Array
  readonly requestDigest: Uint8Array
  readonly publicKey: Uint8Array | null
  readonly keyId: Uint8Array | null
  readonly keyHash: Uint8Array | null
  readonly transactionId: Uint8Array | null
  readonly senderNonce: Uint8Array | null
}

type BinaryColumn = 'rawRequest' | 'requestDigest' | 'publicKey' | 'keyId' | 'keyHash' | 'transactionId' | 'senderNonce'

/** The archived key that came with a request. */
export type NewEnvelope = Pick<EnvelopeRow, 'placement'> & { readonly envelope: Uint8Array }

/** A request that is about to be recorded, with all that is recorded beside it. */
export interface Submission {
  readonly request: NewRequest
  readonly envelope: NewEnvelope | undefined
  readonly because: Because
}

/** The values of a submission: {@link COLUMNS}, actor, detail and, when there is an envelope, envelope and placement. */
export function submissionValues({ request, envelope, because }: Submission): readonly unknown[] {
  return [
    ...COLUMNS.map(column => storable(request[column])),
    storableText(because.actor),
    storableJson(because.detail ?? {}),
    ...(envelope === undefined ? [] : [envelope.envelope, envelope.placement])
  ]
}

/** Much of the text is what a stranger put into the request. */
export function storable(value: NewRequest[keyof NewRequest]): unknown {
  return typeof value === 'string' ? storableText(value) : value
}
