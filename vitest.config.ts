import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

const globalSetup = ['test/helpers/global-setup.ts']

function project(name: string, include: string[], more: object = {}): TestProjectConfiguration {
  return { extends: true, test: { name, include, ...more } }
}

const projects = [
  project('unit', ['apps/**/*.spec.ts', 'libs/**/*.spec.ts']),
  project('vectors', ['test/vectors/**/*.spec.ts', 'test/fuzz/**/*.spec.ts'], { testTimeout: 120_000 }),
  project('integration', ['test/integration/**/*.spec.ts'], { testTimeout: 60_000, hookTimeout: 120_000, globalSetup })
]

// These need programs that npm does not bring; asked for, a missing one is a failure.
if (process.env['CERTKEEP_INTEROP'] === '1') {
  projects.push(
    project('interop', ['test/interop/**/*.spec.ts'], { testTimeout: 120_000, hookTimeout: 180_000, globalSetup })
  )
}

export default defineConfig({ resolve: { tsconfigPaths: true }, test: { projects } })
