import { createHash } from 'node:crypto'
import { SYSTEM_ACCOUNT, SYSTEM_PRINCIPAL, type CaId } from '@app/core'
import type { NewRequest } from './submission-row.js'

/** A request that the installation makes for itself. */
export interface InternalRequest {
  readonly caId: CaId
  readonly templateName: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** SHA-1 of the public key's bit string. */
  readonly keyId: Uint8Array
  /** A PKCS#10 where one is needed; what has no names of its own to ask for has none. */
  readonly rawRequest?: Uint8Array
  readonly subject?: string
  /** Name-value pairs, as text. */
  readonly requestAttributes?: string
  /** CR_FLG_… */
  readonly rowFlags: number
  readonly submittedAt: Date
}

/** The row of a request under the system account. The same key and template give the same request again. */
export function internalRequest(request: InternalRequest): NewRequest {
  const { templateName, publicKey, rawRequest = new Uint8Array(), subject } = request
  return {
    caId: request.caId,
    state: 'received',
    format: 'pkcs10',
    dialect: 'microsoft',
    rawRequest,
    requestDigest: createHash('sha256').update(templateName).update(publicKey).digest(),
    requestAttributes: request.requestAttributes ?? '',
    flags: 0,
    rowFlags: request.rowFlags,
    requesterId: SYSTEM_PRINCIPAL,
    requesterName: SYSTEM_ACCOUNT,
    callerId: null,
    callerName: null,
    subject: subject ?? null,
    publicKey,
    keyId: request.keyId,
    templateName,
    carriesKey: false,
    keyHashAlgorithm: null,
    keyHash: null,
    proofDigest: null,
    bodyPartId: 1,
    transactionId: null,
    senderNonce: null,
    idempotencyKey: null,
    submittedAt: request.submittedAt,
    failureCode: null,
    failureMessage: null,
    dispositionMessage: 'Taken Under Submission'
  }
}
