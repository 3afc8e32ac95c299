import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeTemplate, type CertificateTemplate } from '@app/templates'
import { vi } from 'vitest'
import { importTemplate } from '../../apps/cli/src/administration/template-actions.js'
import type { TestServer } from './server.js'

/** Runs an action of the local command line on the installation of a running server. */
export async function administer<T>({ config }: Pick<TestServer, 'config'>, action: () => Promise<T>): Promise<T> {
  vi.stubEnv('CERTKEEP_HOME', config.home)
  vi.stubEnv('CERTKEEP_DATABASE_URL', config.databaseUrl)
  try {
    return await action()
  } finally {
    vi.unstubAllEnvs()
  }
}

/** Gives a server a template, as `certkeep template import` does. Fails when the linter has an objection. */
export async function offerTemplate(server: TestServer, template: CertificateTemplate): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'certkeep-template-'))
  const file = join(directory, 'template.json')
  try {
    writeFileSync(file, JSON.stringify(encodeTemplate(template)))
    const outcome = await administer(server, () => importTemplate(file, server.ca.name))
    if (!outcome.includes('is active')) throw new Error(outcome)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
