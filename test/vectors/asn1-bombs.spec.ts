import { encodeTlv } from '@app/der'
import { describe, expect, it } from 'vitest'
import { DECODERS, endsWell } from '../helpers/decoders.js'
import { BOMBS, MEBIBYTE } from '../helpers/asn1-bombs.js'

/** What the reading of a bomb may take: an event loop that reads one is blocked for no longer. */
const MAX_MILLISECONDS = 50
const MAX_BYTES = 64 * 1024 * 1024

/** Every sample of a decoder with its content, at some depth, replaced by a bomb: the lengths around it fit. */
function within(seed: Uint8Array, bomb: Uint8Array): readonly Uint8Array[] {
  const head = seed.subarray(0, 1)[0] ?? 0x30
  return [encodeTlv(head, bomb), encodeTlv(head, seed.subarray(4, Math.max(4, seed.length >> 1)), bomb)]
}

/** The least of three, since a collection of garbage is no work of the decoder. */
async function costOf(read: () => unknown): Promise<{ readonly milliseconds: number; readonly bytes: number }> {
  let [milliseconds, bytes] = [Infinity, Infinity]
  for (let run = 0; run < 3; run++) {
    const before = process.memoryUsage()
    const start = process.cpuUsage()
    await endsWell(read)
    const { user, system } = process.cpuUsage(start)
    const after = process.memoryUsage()
    milliseconds = Math.min(milliseconds, (user + system) / 1000)
    bytes = Math.min(bytes, after.heapUsed + after.external - before.heapUsed - before.external)
    if (milliseconds < MAX_MILLISECONDS / 5 && bytes < MAX_BYTES) break
  }
  return { milliseconds, bytes }
}

describe('a bomb', () => {
  it.each(DECODERS.filter(({ isSlow = false }) => !isSlow).map(decoder => [decoder.name, decoder] as const))(
    'costs a decoder next to nothing: %s',
    async (_name, { read, seeds, kind }) => {
      const [seed = new Uint8Array()] = seeds
      const dear: unknown[] = []
      for (const [what, bomb] of BOMBS) {
        const inputs = kind === 'der' && bomb.length < MEBIBYTE ? [bomb, ...within(seed, bomb)] : [bomb]
        for (const input of inputs) {
          const { milliseconds, bytes } = await costOf(() => read(input))
          if (milliseconds > MAX_MILLISECONDS || bytes > MAX_BYTES) dear.push({ what, milliseconds, bytes })
        }
      }
      expect(dear).toEqual([])
    }
  )
})
