import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

// npm run test:fuzz -- --minutes N [--seed N] [--decoder NAME]: the decoders are given changed inputs for so long together.
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, decoder: { type: 'string' } }
})
const { minutes, seed = String(Date.now() % 2 ** 31), decoder } = values
process.stdout.write(`Seed ${seed}\n`)
const root = join(import.meta.dirname, '..')
const { status } = spawnSync(
  join(root, 'node_modules/.bin/vitest'),
  ['run', 'test/fuzz/decoders.spec.ts', '--testTimeout', String((Number(minutes) + 5) * 120_000)],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      CERTKEEP_FUZZ_MINUTES: minutes,
      CERTKEEP_FUZZ_SEED: seed,
      ...(decoder === undefined ? {} : { CERTKEEP_FUZZ_DECODER: decoder })
    }
  }
)
process.exitCode = status ?? 1
