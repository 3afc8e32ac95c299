import { createHash } from 'node:crypto'
import { AppError, isAppError, type CaId, type PrincipalId } from '@app/core'
import {
  CR_FLG,
  decodeStoredRequest,
  findRequestAttribute,
  findResponseAddress,
  parseRequestAttributes,
  readEnrollmentRequest,
  type EnrollmentRequest,
  type RequestFacts,
  type SubmitFlags
} from '@app/cmc'
import { formatName } from '@app/x509'
import type { NewRequest } from '@app/storage'

/** A request as it came in, with who sent it and to which CA. */
export interface Submission {
  readonly caId: CaId
  /** Whom the certificate is for. */
  readonly requester: { readonly id: PrincipalId; readonly name: string }
  /** Who submits it, when that is another: an enrollment agent. */
  readonly caller?: { readonly id: PrincipalId; readonly name: string }
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
    requireSignedName(submission)
    const options = { allowSha1: true, ...(expectFormat === undefined ? {} : { expectFormat }) }
    return { request: readEnrollmentRequest(submission.bytes, options) }
  } catch (error) {
    if (error instanceof AppError) return { failure: error }
    throw error
  }
}

/** Whose name a request is made in must be signed (MS-WCCE 3.2.1.4.2.1.2); beside the request it is anybody's word. */
function requireSignedName({ attributes }: Submission): void {
  if (findRequestAttribute(parseRequestAttributes(attributes), 'requestername') === undefined) return
  throw new AppError(
    'invalid_argument',
    'The attribute requestername beside the request is not taken: an enrollment agent must sign it within the request.'
  )
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
    callerId: submission.caller?.id ?? null,
    callerName: submission.caller?.name ?? null,
    idempotencyKey: submission.idempotencyKey ?? null,
    submittedAt: now
  }
  if (failure !== undefined) return { ...common, ...refused(submission, failure) }
  return {
    ...common,
    ...facts(request),
    state: 'received',
    failureCode: null,
    failureMessage: null,
    dispositionMessage: 'Taken Under Submission'
  }
}

type Filled =
  | 'caId'
  | 'requestDigest'
  | 'requestAttributes'
  | 'flags'
  | 'requesterId'
  | 'requesterName'
  | 'callerId'
  | 'callerName'
  | 'idempotencyKey'
  | 'submittedAt'
type Rest = Omit<NewRequest, Filled>
type Outcome = 'state' | 'failureCode' | 'failureMessage' | 'dispositionMessage'
type Claims = Pick<
  Rest,
  | 'format'
  | 'dialect'
  | 'subject'
  | 'publicKey'
  | 'keyId'
  | 'templateName'
  | 'bodyPartId'
  | 'transactionId'
  | 'senderNonce'
>

function facts(request: EnrollmentRequest): Omit<Rest, Outcome> {
  const { archivedKey } = request
  return {
    ...claims(request),
    rawRequest: request.stored,
    rowFlags: rowFlagsOf(request),
    carriesKey: archivedKey !== undefined,
    keyHashAlgorithm: archivedKey?.hash?.algorithm ?? null,
    keyHash: archivedKey?.hash?.value ?? null,
    proofDigest: request.proof.digest
  }
}

function rowFlagsOf({ archivedKey, renewal, onBehalfOf }: EnrollmentRequest): number {
  return (
    (archivedKey === undefined ? 0 : CR_FLG.CR_FLG_VALIDENCRYPTEDKEYHASH) |
    (renewal === undefined ? 0 : CR_FLG.CR_FLG_RENEWAL) |
    (onBehalfOf === undefined ? 0 : CR_FLG.CR_FLG_ENROLLONBEHALFOF)
  )
}

function claims(request: RequestFacts): Claims {
  const { format, dialect, subject, publicKey, template, bodyPartId, transactionId, senderNonce } = request
  return {
    format,
    dialect,
    subject: subject === undefined ? null : formatName(subject),
    publicKey: publicKey.raw,
    keyId: publicKey.keyId,
    templateName: template.names[0] ?? template.oid ?? null,
    bodyPartId,
    transactionId: transactionId ?? null,
    senderNonce: senderNonce ?? null
  }
}

/**
 * What a refused message says of itself, as far as it can be read: the answer must name the transaction that it answers
 * (RFC 10002 (RFC 5272), 6.6). The message itself is not kept, for it may hold a key where none belongs.
 */
function refused(submission: Submission, failure: AppError): Rest {
  return {
    ...claimsIn(submission),
    rawRequest: new Uint8Array(),
    rowFlags: 0,
    carriesKey: false,
    keyHashAlgorithm: null,
    keyHash: null,
    proofDigest: null,
    state: 'failed',
    failureCode: failure.code,
    failureMessage: failure.message,
    dispositionMessage: `Error parsing request: ${failure.message}`
  }
}

function claimsIn({ bytes, flags }: Submission): Claims {
  try {
    return claims(decodeStoredRequest(bytes))
  } catch (error) {
    if (!isAppError(error)) throw error
    const address = findResponseAddress(bytes)
    return {
      format: address?.format ?? flags.expectFormat ?? 'cmc',
      dialect: address?.dialect ?? 'microsoft',
      subject: null,
      publicKey: null,
      keyId: null,
      templateName: null,
      bodyPartId: address?.bodyPartId ?? 1,
      transactionId: address?.transactionId ?? null,
      senderNonce: address?.senderNonce ?? null
    }
  }
}
