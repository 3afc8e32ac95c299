import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

const globalSetup = ['test/helpers/global-setup.ts']
const excluded = withoutVectors()

function project(name: string, include: string[], more: object = {}): TestProjectConfiguration {
  return { extends: true, test: { name, include, exclude: excluded, ...more } }
}

/**
 * Real Microsoft messages and Wycheproof vectors do not come with npm. Where they are not there, the specs that read them
 * are left out and named; on a build machine their absence is a failure.
 */
function withoutVectors(): string[] {
  const directory = process.env['CERTKEEP_VECTORS'] ?? join(import.meta.dirname, '../shared/vectors')
  if (existsSync(directory) || process.env['CI'] !== undefined) return []
  const specs = globSync(['libs/**/*.spec.ts', 'test/**/*.spec.ts'], { cwd: import.meta.dirname })
  const needing = specs.filter(spec => /\b(readVector|vectorPath|readAdcsVector)\b/.test(readFileSync(spec, 'utf8')))
  process.stderr.write(
    `There are no test vectors in ${directory}; set CERTKEEP_VECTORS to run these specs too:\n  ${needing.join('\n  ')}\n`
  )
  return needing
}

const projects = [
  project('unit', ['apps/**/*.spec.ts', 'libs/**/*.spec.ts']),
  project('vectors', ['test/vectors/**/*.spec.ts', 'test/fuzz/**/*.spec.ts'], { testTimeout: 120_000 }),
  project('integration', ['test/integration/**/*.spec.ts'], { testTimeout: 60_000, hookTimeout: 120_000, globalSetup }),
  project('fault', ['test/fault/**/*.spec.ts'], { testTimeout: 300_000, hookTimeout: 120_000, globalSetup })
]

// These need programs that npm does not bring; asked for, a missing one is a failure.
if (process.env['CERTKEEP_INTEROP'] === '1') {
  projects.push(
    project('interop', ['test/interop/**/*.spec.ts'], { testTimeout: 120_000, hookTimeout: 180_000, globalSetup })
  )
}

// Spec files share the modules that a worker has loaded: what they share is code, every server and database is their own.
export default defineConfig({ resolve: { tsconfigPaths: true }, test: { projects, isolate: false, maxWorkers: 2 } })
