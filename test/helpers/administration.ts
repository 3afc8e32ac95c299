import { CaStore, TemplateStore } from '@app/storage'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import { vi } from 'vitest'
import type { TestServer } from './server.js'

/** Runs an action of the local command line on the installation of a running server. */
export async function administer<T>({ config }: Pick<TestServer, 'config'>, action: () => Promise<T>): Promise<T> {
  vi.stubEnv('CERTKEEP_HOME', config.home)
  vi.stubEnv('CERTKEEP_DATABASE_URL', config.databaseUrl)
  vi.stubEnv('CERTKEEP_HTTP_BASE_URL', config.httpBaseUrl)
  try {
    return await action()
  } finally {
    vi.unstubAllEnvs()
  }
}

/**
 * Gives a server a template: one person adds it, another makes it active and has the first CA offer it. Fails when the
 * linter has an objection.
 */
export async function offerTemplate(server: TestServer, template: CertificateTemplate): Promise<void> {
  const { dataSource } = await server.database.open('console')
  const templates = new TemplateStore(dataSource)
  const now = new Date()
  const id = await templates.add(template, { actor: 'local:author' }, now)
  await templates.activate(id, { actor: 'EXAMPLE\\activator' }, now)
  await new CaStore(dataSource).addOffer(server.ca.id, template.name, { actor: 'EXAMPLE\\activator' }, now)
}

/** Has a server's keys of `UserEncryption` sealed as AD CS does it from now on: to each of three agents alone. */
export async function sealToAnyAgent(server: TestServer): Promise<void> {
  const found = builtInTemplates().find(({ name }) => name === 'UserEncryption')
  if (found === undefined) throw new Error('There is no template UserEncryption.')
  const minorVersion = found.minorVersion + 1
  await offerTemplate(server, { ...found, minorVersion, archival: { mode: 'any-agent', agentCount: 3 } })
}
