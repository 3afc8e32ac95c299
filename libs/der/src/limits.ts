/** What a decoder spends at most on one message. */
export interface DerLimits {
  /** Nested constructed elements, the outermost counted as 1. */
  readonly maxDepth: number
  /** Size of the whole input in bytes. */
  readonly maxBytes: number
  /** Elements read, over all levels. */
  readonly maxElements: number
}

/** Enough for any request or certificate with generous room: 64 KiB is the Windows limit (MAXINCOMINGMESSAGESIZE). */
export const DEFAULT_LIMITS: DerLimits = { maxDepth: 24, maxBytes: 256 * 1024, maxElements: 20_000 }
