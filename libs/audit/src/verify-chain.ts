import { ChainVerifier, type ChainFault, type ChainLink, type ChainTrust } from './chain-verifier.js'
import type { Checkpoint } from './checkpoint.js'

/** Where a chain is read from. It may grow meanwhile. */
export interface ChainSource {
  /** The links after a position, in order; fewer than the limit only at the end. */
  listLinks(after: number, limit: number): Promise<readonly ChainLink[]>
  findLastCheckpoint(): Promise<Checkpoint | undefined>
  /** The lowest number, up to the given one, of an event without a link. */
  findUnlinked(upTo: number): Promise<number | undefined>
}

/** What a verification found. */
export interface ChainReport {
  readonly intact: boolean
  /** The links that hold, from the first. */
  readonly verified: number
  /** The last position that a checkpoint vouches for. */
  readonly vouched: number
  /** Checkpoints that hold, each of the database and of the file counted. */
  readonly checkpoints: number
  /** What is wrong first. */
  readonly fault?: ChainFault
}

/** Links in memory at a time. */
const PAGE = 5000

/**
 * Reads a chain from its beginning to its end, a page at a time, and tells the first fault. `onProgress` hears the
 * position that has been reached.
 */
export async function verifyChain(
  source: ChainSource,
  trust: ChainTrust,
  onProgress: (position: number) => void = () => undefined
): Promise<ChainReport> {
  const verifier = new ChainVerifier(trust)
  const fault = await firstFault(source, verifier, onProgress)
  const { position: verified, vouched, checkpoints } = verifier
  const report = { intact: fault === undefined, verified, vouched, checkpoints }
  return fault === undefined ? report : { ...report, fault }
}

async function firstFault(
  source: ChainSource,
  verifier: ChainVerifier,
  onProgress: (position: number) => void
): Promise<ChainFault | undefined> {
  // First, since the chain may grow, and be signed, while it is read.
  const last = await source.findLastCheckpoint()
  for (;;) {
    const links = await source.listLinks(verifier.position, PAGE)
    const fault = await verifier.add(links)
    onProgress(verifier.position)
    if (fault !== undefined) return fault
    if (links.length < PAGE) break
  }
  const cut = verifier.end(last?.position ?? 0)
  if (cut !== undefined) return cut
  const seq = await source.findUnlinked(verifier.settledUpTo)
  if (seq === undefined) return undefined
  const message = `Event ${seq} has no link, and all up to ${verifier.settledUpTo} had been linked before it was put in.`
  return { kind: 'event_inserted', seq, message }
}
