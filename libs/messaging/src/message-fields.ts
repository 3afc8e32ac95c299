import { AppError } from '@app/core'
import { z } from 'zod'

/** Longest label, in characters (MS-MQDMPR 3.1.1.12). */
const LONGEST_LABEL = 249
/** Four days (MS-MQDMPR 3.1.1.12). */
const TIME_TO_REACH_QUEUE = 345_600
/** How long a message may be on its way at most, in seconds: 30 days. So long is its id remembered. */
const LONGEST_TIME_TO_REACH = 2_592_000
const UINT32 = 0xffffffff

/** The name of a queue: 1 to 124 letters, digits, dots, hyphens and underscores, the first a letter or digit. */
export const queueNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,123}$/, 'is no name of a queue')

const uint = (most: number) => z.int().min(0).max(most)

/**
 * What a signature covers beside the body: the fields of signature 2.0 (MS-MQMQ 2.5.2), and with them the level, the
 * sender and the times. So a message is good for its queue, at its level, and once.
 */
export const messageFieldsSchema = z.strictObject({
  messageId: z.uuid().lowercase(),
  /** The queue that it is for. */
  destinationQueue: queueNameSchema,
  level: z.enum(['none', 'integrity', 'privacy']),
  /** The SID that the certificate is registered for; absent at the level none, whose sender nobody vouches for. */
  senderSid: z
    .string()
    .regex(/^S-1(-\d{1,15}){2,16}$/, 'is no security identifier')
    .optional(),
  correlationId: z.uuid().lowercase().optional(),
  responseQueue: queueNameSchema.optional(),
  adminQueue: queueNameSchema.optional(),
  sourceMachine: z.uuid().lowercase().optional(),
  connectorType: z.uuid().lowercase().optional(),
  label: z.string().max(LONGEST_LABEL).default(''),
  appSpecific: uint(UINT32).default(0),
  bodyType: uint(UINT32).default(0),
  class: uint(0xffff).default(0),
  priority: uint(7).default(3),
  delivery: uint(1).default(0),
  journal: uint(3).default(0),
  acknowledge: uint(15).default(0),
  sentAt: z.iso.datetime(),
  /** Seconds that it may be on its way. */
  timeToReachQueue: uint(LONGEST_TIME_TO_REACH).default(TIME_TO_REACH_QUEUE),
  /** Seconds from sending until it must be received; absent: without end. */
  timeToBeReceived: uint(UINT32 - 1).optional()
})

/** The fields of a message; see {@link messageFieldsSchema}. */
export type MessageFields = z.output<typeof messageFieldsSchema>

/** The fields as a caller gives them, without what has a default. */
export type MessageFieldsInput = z.input<typeof messageFieldsSchema>

/** Checks fields and completes them. Throws `MQ_ERROR_INVALID_PARAMETER` with the name of the first that is wrong. */
export function parseMessageFields(value: unknown): MessageFields {
  const parsed = messageFieldsSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const field = issue?.path.join('.') ?? ''
    throw new AppError('MQ_ERROR_INVALID_PARAMETER', `The message is wrong at "${field}": ${issue?.message ?? ''}.`, {
      field
    })
  }
  const { level, senderSid } = parsed.data
  if ((level === 'none') === (senderSid === undefined)) return parsed.data
  throw new AppError(
    'MQ_ERROR_INVALID_PARAMETER',
    'A message that is signed names the SID of its sender, another does not.',
    { field: 'senderSid' }
  )
}

/** The last moment at which a message may arrive. */
export function arrivalDeadline({ sentAt, timeToReachQueue }: MessageFields): Date {
  return new Date(Date.parse(sentAt) + timeToReachQueue * 1000)
}

/** The last moment at which a message may be received; undefined without end. */
export function receiveDeadline({ sentAt, timeToBeReceived }: MessageFields): Date | undefined {
  return timeToBeReceived === undefined ? undefined : new Date(Date.parse(sentAt) + timeToBeReceived * 1000)
}
