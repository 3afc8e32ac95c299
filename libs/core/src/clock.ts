/** Where the time comes from. Every rule that depends on time takes one, so that tests can move it. */
export interface Clock {
  /** The present moment, to the millisecond. */
  now(): Date
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => new Date() }
