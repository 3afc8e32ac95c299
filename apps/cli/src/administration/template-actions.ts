import { AppError } from '@app/core'
import { TemplateStore } from '@app/storage'
import { decodeTemplate, encodeTemplate, lintTemplate } from '@app/templates'
import { readText } from '../client/connection.js'
import { withAdministration } from './administration.js'

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

/** Adds a template of a file as a draft, which an operator activates. Returns what happened, for people. */
export async function importTemplate(file: string): Promise<string> {
  const template = await readTemplate(file)
  return withAdministration(async ({ database, clock, actor }) => {
    const id = await new TemplateStore(database.dataSource).add(template, { actor }, clock.now())
    const version = `${template.name} ${template.majorVersion}.${template.minorVersion}`
    const unsafe = lintTemplate(template).find(({ severity }) => severity === 'error')
    const next =
      unsafe === undefined
        ? `An operator activates it with "certkeep template activate ${id}".`
        : `It cannot be activated (${unsafe.rule}): ${unsafe.message} ${unsafe.remedy}`
    return `${version} is draft ${id}. ${next}`
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
