import { AppError } from '@app/core'
import { CaStore, TemplateStore } from '@app/storage'
import { decodeTemplate, encodeTemplate, lintTemplate } from '@app/templates'
import { readText } from '../client/connection.js'
import { chooseCa, withAdministration } from './administration.js'

/** Every version of every template. */
export function listTemplates(): Promise<readonly object[]> {
  return withAdministration(async ({ database }) =>
    (await new TemplateStore(database.dataSource).list()).map(({ id, name, oid, major, minor, archival, state }) => ({
      id,
      name,
      oid,
      version: `${major}.${minor}`,
      archival,
      state
    }))
  )
}

/** The active version of a template as JSON. Throws `not_found`. */
export function showTemplate(name: string): Promise<unknown> {
  return withAdministration(async ({ database }) => {
    const row = await new TemplateStore(database.dataSource).findActive(name)
    if (row === undefined) throw new AppError('not_found', `There is no active template "${name}".`)
    return encodeTemplate(row.definition)
  })
}

/** What the linter finds in a template of a file. Works without an installation. */
export async function lintTemplateFile(file: string): Promise<readonly object[]> {
  return lintTemplate(await readTemplate(file))
}

/** Adds a template of a file; a safe one is made active and offered by the CA. Returns what happened, for people. */
export async function importTemplate(file: string, caName: string | undefined): Promise<string> {
  const template = await readTemplate(file)
  return withAdministration(async ({ database, clock, actor }) => {
    const ca = await chooseCa(database, caName)
    const templates = new TemplateStore(database.dataSource)
    const now = clock.now()
    const id = await templates.add(template, { actor }, now)
    const unsafe = lintTemplate(template).find(({ severity }) => severity === 'error')
    if (unsafe !== undefined) return `${template.name} is a draft: ${unsafe.message} ${unsafe.remedy}`
    await templates.activate(id, { actor }, now)
    const offered = (await templates.listOffered(ca.id)).map(({ name }) => name)
    await new CaStore(database.dataSource).offer(ca.id, [...new Set([...offered, template.name])], { actor }, now)
    return `${template.name} ${template.majorVersion}.${template.minorVersion} is active, and "${ca.name}" offers it.`
  })
}

async function readTemplate(file: string): Promise<ReturnType<typeof decodeTemplate>> {
  const text = await readText(file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_argument', `${file} is not JSON.`, { file }, { cause })
  }
  return decodeTemplate(value)
}
