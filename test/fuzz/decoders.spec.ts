import { DerReader, encodeInteger, encodeOctetString, encodeSequence } from '@app/der'
import { describe, expect, it } from 'vitest'
import { DECODERS } from '../helpers/decoders.js'
import { Coverage } from './coverage.js'
import { corpusOf, fuzz, harmOf, tryChanges } from './fuzzer.js'

/** By `npm run test:fuzz -- --minutes N`: how long all decoders together, and from which number the changes follow. */
const minutes = Number(process.env['CERTKEEP_FUZZ_MINUTES'] ?? 0)
const seed = Number(process.env['CERTKEEP_FUZZ_SEED'] ?? 1)
const only = process.env['CERTKEEP_FUZZ_DECODER']
const decoders = DECODERS.filter(({ name }) => only === undefined || name === only)

/** Of each decoder, when nobody asks for more: a second of processor time for the larger ones. */
const CHANGES = 300

describe('a decoder', () => {
  it('takes its own samples', async () => {
    for (const { seeds, read } of decoders) {
      for (const input of seeds) await expect(Promise.resolve(input).then(read)).resolves.not.toThrow()
    }
  })

  it('ends well with every input that is kept', async () => {
    for (const decoder of decoders) {
      for (const input of corpusOf(decoder.name)) expect(await harmOf(decoder, input)).toBeUndefined()
    }
  })

  it.each(decoders.map(decoder => [decoder.name, decoder] as const))(
    'ends with an error of the program whatever it is given: %s',
    async (_name, decoder) => {
      const { isSlow = false } = decoder
      expect(await tryChanges(decoder, seed, isSlow ? CHANGES / 10 : CHANGES)).toEqual([])
    }
  )
})

describe('the fuzzer', () => {
  it('finds a defect behind the right structure', async () => {
    const seed = encodeSequence(encodeInteger(5), encodeSequence(encodeOctetString(Buffer.from('octets'))))
    const read = (input: Uint8Array): void => {
      const body = DerReader.over(input).sequence('sample')
      body.integer('number')
      const inner = body.sequence('inner')
      const octets = inner.octetString('octets')
      inner.end('inner')
      body.end('sample')
      if (octets.length < 6) throw new TypeError('planted')
    }
    const findings = await tryChanges({ name: 'planted', kind: 'der', read, seeds: [seed] }, 1, 500)
    expect(findings.map(({ error }) => error)).toEqual([expect.stringMatching(/^TypeError: planted/)])
  })
})

describe.runIf(minutes > 0)('a long run', () => {
  const milliseconds = (minutes * 60_000) / decoders.length
  it(
    'finds nothing',
    async () => {
      const coverage = new Coverage()
      await coverage.start()
      const findings: unknown[] = []
      for (const decoder of decoders) {
        const report = await fuzz(decoder, { seed, milliseconds, coverage })
        findings.push(...report.findings)
        process.stdout.write(
          `${decoder.name}: ${report.runs} inputs, ${report.news} with news, ${coverage.blocks} blocks in all\n`
        )
      }
      await coverage.stop()
      expect(findings).toEqual([])
    },
    minutes * 120_000 + 120_000
  )
})
