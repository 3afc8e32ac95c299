/**
 * Requests a certificate by a queued call: the request is sealed for the enrollment server and kept on this machine while
 * the server is down, and the answer comes to a queue of the caller's.
 */
import {
  CallBinding,
  Enrollment,
  receiveQueuedAnswer,
  RPC_C_AUTHN_LEVEL,
  RPC_C_AUTHN_MQ,
  RPC_C_OPT_MQ,
  SUBMIT_ENDPOINT,
  submitQueued,
  type AcceptedCertificate,
  type CallReceipt,
  type MessageQueues,
  type MessageSigner,
  type OutgoingQueue
} from '@app/client'

/** What both functions work with. */
export interface QueuedEnrollment {
  readonly enrollment: Enrollment
  readonly queues: MessageQueues
  /** The caller's own queue. */
  readonly responseQueue: string
}

/** Makes a request and sends it, now or when the server is there. */
export async function sendRequest(
  { enrollment, queues, responseQueue }: QueuedEnrollment,
  from: { readonly outgoing: OutgoingQueue; readonly identity: MessageSigner; readonly ca: string }
): Promise<CallReceipt> {
  const { outgoing, identity, ca } = from

  // The endpoint of the enrollment server, and the queue of this machine.
  const binding = new CallBinding({ endpoint: SUBMIT_ENDPOINT, queues, outgoing })

  // Calls are signed with the caller's registered certificate, and only the enrollment server reads them.
  binding.setAuthInfo({ authnLevel: RPC_C_AUTHN_LEVEL.PKT_PRIVACY, authnSvc: RPC_C_AUTHN_MQ, identity })

  // They survive a crash of the server, for a day.
  binding.setOption(RPC_C_OPT_MQ.DELIVERY, 1)
  binding.setOption(RPC_C_OPT_MQ.TIME_TO_REACH_QUEUE, 86_400)

  const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } })
  return submitQueued(binding, request, { ca, responseQueue })
}

/** Takes the answer and accepts the certificate; undefined when there is none yet. */
export async function takeAnswer(
  { enrollment, queues, responseQueue }: QueuedEnrollment,
  callId: string
): Promise<AcceptedCertificate | undefined> {
  const answer = await receiveQueuedAnswer(queues, responseQueue, { callId, wait: 20 })
  if (answer?.fullResponse === undefined) return undefined

  // Whoever may write into the queue could have written the answer: the CA's signature is what counts.
  return enrollment.acceptResponse(answer.fullResponse)
}
