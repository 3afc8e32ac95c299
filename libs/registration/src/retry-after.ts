/** The least and the longest time that a pending client is told to wait, in seconds. */
export interface WaitBounds {
  readonly minimum: number
  readonly maximum: number
}

/** From 30 seconds to 5 minutes, by the load of the server. */
export const DEFAULT_WAIT: WaitBounds = { minimum: 30, maximum: 300 }

/** Registrations that one worker surely decides in a second; the wait says how long the queue lasts at this pace. */
const DECIDED_PER_SECOND = 10

/**
 * After how many seconds a pending client asks again: the least time with an empty queue, longer by what the queue takes
 * to be worked off, and never longer than the longest.
 */
export function retryAfterSeconds(queued: number, { minimum, maximum }: WaitBounds = DEFAULT_WAIT): number {
  return Math.min(maximum, minimum + Math.ceil(Math.max(0, queued) / DECIDED_PER_SECOND))
}
