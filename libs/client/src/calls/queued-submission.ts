import { AppError, toBase64, type ErrorCode } from '@app/core'
import { SUBMIT_INTERFACE } from '@app/messaging'
import { z } from 'zod'
import type { RequestStatus } from '../cert-request.js'
import type { MessageQueues } from '../message-queues.js'
import type { CallBinding, CallReceipt } from './call-binding.js'
import { receiveCorrelated } from './correlated-message.js'

/** What a queued request says beside its bytes. */
export interface QueuedSubmitOptions {
  /** The CA's name. */
  readonly ca: string
  /** The CR_IN word; 0 if absent. */
  readonly flags?: number
  /** Request attributes, one `Name:Value` a line. */
  readonly attributes?: string
  /** A queue of the caller's that the answer comes to; there is none when it is absent. */
  readonly responseQueue?: string
}

/** What became of a queued request. */
export interface QueuedAnswer {
  readonly request: RequestStatus
  /** The CA's signed answer, DER, once there is one: for `Enrollment.acceptResponse`, which verifies it. */
  readonly fullResponse?: Uint8Array
}

const answerSchema = z.object({
  request: z.custom<RequestStatus>(value => typeof value === 'object' && value !== null).optional(),
  fullResponse: z.base64().optional(),
  problem: z.object({ code: z.string(), hresult: z.string(), detail: z.string() }).optional()
})

/**
 * Submits a request as a queued call (ICertRequest::Submit): it waits while the server is down. `binding` is one of
 * `SUBMIT_ENDPOINT`, which takes private calls alone. Throws as `CallBinding.call`.
 */
export function submitQueued(
  binding: CallBinding,
  request: Uint8Array,
  { ca, flags = 0, attributes = '', responseQueue }: QueuedSubmitOptions
): Promise<CallReceipt> {
  const args = { ca, request: toBase64(request), flags, attributes }
  return binding.call(SUBMIT_INTERFACE, 'submit', args, responseQueue === undefined ? {} : { responseQueue })
}

/**
 * Takes the answer to a queued request out of its response queue. Undefined when none has come within `wait` seconds.
 * Throws the error for which the request was not recorded.
 *
 * Whoever may write into the queue can write such an answer: believe the full response, which `acceptResponse` verifies,
 * or ask for the request by its id.
 */
export async function receiveQueuedAnswer(
  queues: MessageQueues,
  responseQueue: string,
  { callId, wait = 0 }: { readonly callId: string; readonly wait?: number }
): Promise<QueuedAnswer | undefined> {
  const message = await receiveCorrelated(queues, { queue: responseQueue, correlationId: callId, wait })
  if (message === undefined) return undefined
  const parsed = answerSchema.safeParse(JSON.parse(Buffer.from(message.body).toString('utf8')))
  const { request, fullResponse, problem } = parsed.data ?? {}
  if (problem !== undefined) throw new AppError(problem.code as ErrorCode, problem.detail, { callId })
  if (request === undefined) throw new AppError('response_status', 'The answer to the request cannot be read.')
  return { request, ...(fullResponse === undefined ? {} : { fullResponse: Buffer.from(fullResponse, 'base64') }) }
}
