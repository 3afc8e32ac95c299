import { z } from 'zod'
import { defineCallInterface } from './call.js'

/** Names of queues that begin so are the server's. */
export const SERVER_QUEUE_PREFIX = 'certkeep.'

/** The endpoint that takes requests for certificates as queued calls. */
export const SUBMIT_ENDPOINT = `${SERVER_QUEUE_PREFIX}submit`

/** What Submit takes (ICertRequest::Submit): the same as over HTTP, and the CA by its name. */
const submitArguments = z.strictObject({
  ca: z.string().min(1).max(256),
  /** PEM, base64 or DER in base64. */
  request: z.string().min(1),
  /** The CR_IN word. */
  flags: z.int().min(0).max(0xffffffff).default(0),
  /** One `Name:Value` a line. */
  attributes: z.string().max(65_536).default('')
})

/** What Submit takes, as parsed. */
export type SubmitArguments = z.output<typeof submitArguments>

/** The enrollment server's interface of queued calls. */
export const SUBMIT_INTERFACE = defineCallInterface({
  id: '5d9f7a0e-3c52-4f0b-9a86-2f6b1de4c7a1',
  version: '1.0',
  operations: { submit: { in: submitArguments } }
})
