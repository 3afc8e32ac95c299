import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['apps/**/*.spec.ts', 'libs/**/*.spec.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.spec.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          globalSetup: ['test/helpers/global-setup.ts']
        }
      },
      {
        extends: true,
        test: { name: 'fuzz', include: ['test/fuzz/**/*.spec.ts', 'test/vectors/**/*.spec.ts'], testTimeout: 120_000 }
      },
      {
        extends: true,
        test: {
          name: 'interop',
          include: ['test/interop/**/*.spec.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          globalSetup: ['test/helpers/global-setup.ts']
        }
      }
    ]
  }
})
