#!/usr/bin/env node
// Runs the fault tests for as long as one likes: npm run test:fault -- --minutes 30 [--seed 7] [--runs 1]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' }, runs: { type: 'string' } }
})
const environment = {
  CERTKEEP_FAULT_SECONDS: String(Number(values.minutes) * 60),
  ...(values.seed === undefined ? {} : { CERTKEEP_FAULT_SEED: values.seed }),
  ...(values.runs === undefined ? {} : { CERTKEEP_FAULT_RUNS: values.runs })
}
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', '--project', 'fault', 'test/fault/faults.spec.ts'], {
  cwd: root,
  env: { ...process.env, ...environment },
  stdio: 'inherit'
})
process.exit(status ?? 1)
