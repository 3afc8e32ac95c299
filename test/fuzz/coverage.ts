import { Session } from 'node:inspector/promises'

interface FunctionCoverage {
  readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
}

/**
 * Tells which blocks of the project's own sources, and of the parsers that they use, ran since it was asked before: by
 * V8's own counters, so that there is no instrumented build and no dependency. Asking takes some milliseconds.
 */
export class Coverage {
  private readonly session = new Session()
  private readonly seen = new Set<string>()

  async start(): Promise<void> {
    this.session.connect()
    await this.session.post('Profiler.enable')
    await this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    await this.take()
  }

  /** What ran since it was asked before and is news. */
  async take(): Promise<readonly string[]> {
    const { result } = await this.session.post('Profiler.takePreciseCoverage')
    const blocks = result
      .filter(({ url }) => isLookedAt(url))
      .flatMap(({ url, functions }) => functions.flatMap(one => blocksOf(url, one)))
    return blocks.filter(block => !this.seen.has(block))
  }

  /** What is no news from now on. */
  add(blocks: readonly string[]): void {
    for (const block of blocks) this.seen.add(block)
  }

  /** How many blocks have run. */
  get blocks(): number {
    return this.seen.size
  }

  async stop(): Promise<void> {
    await this.session.post('Profiler.stopPreciseCoverage')
    await this.session.post('Profiler.disable')
    this.session.disconnect()
  }
}

function blocksOf(url: string, { ranges }: FunctionCoverage): readonly string[] {
  return ranges
    .filter(({ count }) => count > 0)
    .map(({ startOffset, endOffset }) => `${url}:${startOffset}:${endOffset}`)
}

function isLookedAt(url: string): boolean {
  return url.includes('/node_modules/') ? /\/(?:saxes|pkijs|asn1js)\//.test(url) : url.includes('/libs/')
}
