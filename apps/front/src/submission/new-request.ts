import { createHash } from 'node:crypto'
import { AppError, type CaId, type PrincipalId } from '@app/core'
import { CR_FLG, readEnrollmentRequest, type EnrollmentRequest, type SubmitFlags } from '@app/cmc'
import { formatName } from '@app/x509'
import type { NewRequest } from '@app/storage'

/** A request as it came in, with who sent it and to which CA. */
export interface Submission {
  readonly caId: CaId
  readonly requester: { readonly id: PrincipalId; readonly name: string }
  /** DER, or whatever the client took for it. */
  readonly bytes: Uint8Array
  readonly flags: SubmitFlags
  /** The request attributes beside the request, as text. */
  readonly attributes: string
  readonly idempotencyKey?: string
}

/** A submission after every check that needs nothing but its bytes; `failure` says why it goes no further. */
export type Read =
  | { readonly request: EnrollmentRequest; readonly failure?: undefined }
  | { readonly request?: undefined; readonly failure: AppError }

/**
 * Decodes and verifies a submission (signatures, proof of possession, hash of the archived key). What a client sends
 * wrong is returned as a failure, because even a message that cannot be read gets a request id.
 * SHA-1 is let through here and judged by the template.
 */
export function readSubmission(submission: Submission): Read {
  const { expectFormat } = submission.flags
  try {
    const options = { allowSha1: true, ...(expectFormat === undefined ? {} : { expectFormat }) }
    return { request: readEnrollmentRequest(submission.bytes, options) }
  } catch (error) {
    if (error instanceof AppError) return { failure: error }
    throw error
  }
}

/** The row for a submission: `received` when nothing is wrong with it, else `failed` with its reason. */
export function newRequest(submission: Submission, read: Read, now: Date): NewRequest {
  const { request, failure } = read
  const common = {
    caId: submission.caId,
    requestDigest: createHash('sha256').update(submission.bytes).digest(),
    requestAttributes: submission.attributes,
    flags: submission.flags.value,
    requesterId: submission.requester.id,
    requesterName: submission.requester.name,
    idempotencyKey: submission.idempotencyKey ?? null,
    submittedAt: now
  }
  if (failure !== undefined) return { ...common, ...unreadable(submission, failure) }
  return {
    ...common,
    ...facts(request),
    state: 'received',
    failureCode: null,
    failureMessage: null,
    dispositionMessage: 'Taken Under Submission'
  }
}

type Rest = Omit<
  NewRequest,
  | 'caId'
  | 'requestDigest'
  | 'requestAttributes'
  | 'flags'
  | 'requesterId'
  | 'requesterName'
  | 'idempotencyKey'
  | 'submittedAt'
>

function facts(
  request: EnrollmentRequest
): Omit<Rest, 'state' | 'failureCode' | 'failureMessage' | 'dispositionMessage'> {
  const { archivedKey } = request
  return {
    format: request.format,
    dialect: request.dialect,
    rawRequest: Buffer.from(request.stored),
    rowFlags: archivedKey === undefined ? 0 : CR_FLG.CR_FLG_VALIDENCRYPTEDKEYHASH,
    subject: request.subject === undefined ? null : formatName(request.subject),
    publicKey: Buffer.from(request.publicKey.raw),
    keyId: Buffer.from(request.publicKey.keyId),
    templateName: request.template.names[0] ?? request.template.oid ?? null,
    carriesKey: archivedKey !== undefined,
    keyHashAlgorithm: archivedKey?.hash?.algorithm ?? null,
    keyHash: archivedKey?.hash === undefined ? null : Buffer.from(archivedKey.hash.value),
    proofDigest: request.proof.digest,
    bodyPartId: request.bodyPartId,
    transactionId: request.transactionId === undefined ? null : Buffer.from(request.transactionId),
    senderNonce: request.senderNonce === undefined ? null : Buffer.from(request.senderNonce)
  }
}

/**
 * A message that is refused is kept as evidence only when it cannot hold an archived key in a place that was not
 * recognised: what could not be read completely is not stored.
 */
function unreadable(submission: Submission, failure: AppError): Rest {
  return {
    format: submission.flags.expectFormat ?? 'cmc',
    dialect: 'microsoft',
    rawRequest: Buffer.alloc(0),
    rowFlags: 0,
    subject: null,
    publicKey: null,
    keyId: null,
    templateName: null,
    carriesKey: false,
    keyHashAlgorithm: null,
    keyHash: null,
    proofDigest: null,
    bodyPartId: 1,
    transactionId: null,
    senderNonce: null,
    state: 'failed',
    failureCode: failure.code,
    failureMessage: failure.message,
    dispositionMessage: `Error parsing request: ${failure.message}`
  }
}
