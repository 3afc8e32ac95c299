import {
  allItems,
  type Console,
  type TemplateDetails,
  type TemplateDiff,
  type TemplateQuery,
  type TemplateSummaryView
} from '@app/client'
import { AppError } from '@app/core'
import { decodeTemplate, encodeTemplate } from '@app/templates'
import type { ConnectionOptions } from '../client-options.js'
import { withConsole } from './connection.js'
import {
  formatTemplates,
  importEach,
  parseSidMap,
  readTemplateFile,
  templatesOf,
  type ExportOptions,
  type ImportOutcome
} from './template-files.js'

function withTemplates<T>(
  options: ConnectionOptions,
  work: (templates: Console['templates']) => Promise<T>
): Promise<T> {
  return withConsole(options, ({ templates }) => work(templates))
}

/** Versions of templates, as the console knows them. */
export function listTemplates(
  connection: ConnectionOptions,
  query: Pick<TemplateQuery, 'name' | 'state'>
): Promise<readonly TemplateSummaryView[]> {
  return withTemplates(connection, templates => everyVersion(templates, query))
}

function everyVersion(
  templates: Console['templates'],
  query: Pick<TemplateQuery, 'name' | 'state'>
): Promise<readonly TemplateSummaryView[]> {
  return allItems(cursor => templates.list({ ...query, limit: 200, ...(cursor && { cursor }) }))
}

/** A version by its id, or the active one by its name. Throws `not_found`. */
export function showTemplate(connection: ConnectionOptions, which: string): Promise<TemplateDetails> {
  return withTemplates(connection, templates => findVersion(templates, which))
}

async function findVersion(templates: Console['templates'], which: string): Promise<TemplateDetails> {
  if (/^[1-9]\d{0,8}$/.test(which)) return templates.show(Number(which))
  const [active] = (await templates.list({ name: which, state: 'active' })).items
  if (active === undefined) throw new AppError('not_found', `There is no active template "${which}".`)
  return templates.show(active.id)
}

/** Adds the templates of a file as drafts. Of AD's groups only those that `sidMap` names may enroll. */
export async function importTemplates(
  connection: ConnectionOptions,
  file: string,
  sidMap: readonly string[]
): Promise<readonly ImportOutcome[]> {
  const groups = parseSidMap(sidMap)
  const read = templatesOf(await readTemplateFile(file), sid => groups.get(sid))
  return withTemplates(connection, templates =>
    importEach(read, async template => (await templates.add(encodeTemplate(template))).id)
  )
}

/** The templates of these names or ids, or every active one, as text. Throws `not_found`. */
export function exportTemplates(
  connection: ConnectionOptions,
  which: readonly string[],
  options: ExportOptions
): Promise<string> {
  return withTemplates(connection, async templates => {
    const names =
      which.length > 0 ? which : (await everyVersion(templates, { state: 'active' })).map(({ id }) => String(id))
    const details = await Promise.all(names.map(each => findVersion(templates, each)))
    return formatTemplates(
      details.map(({ definition }) => decodeTemplate(definition)),
      options
    )
  })
}

/** Makes a version active that somebody else wrote. */
export function activateTemplate(connection: ConnectionOptions, id: number): Promise<TemplateDetails> {
  return withTemplates(connection, templates => templates.activate(id))
}

/** Has a version used no longer. */
export function retireTemplate(connection: ConnectionOptions, id: number): Promise<TemplateDetails> {
  return withTemplates(connection, templates => templates.retire(id))
}

/** What a version says otherwise than an earlier one. */
export function diffTemplate(connection: ConnectionOptions, id: number, earlier: number): Promise<TemplateDiff> {
  return withTemplates(connection, templates => templates.diff(id, earlier))
}

/** Has a CA offer a template, or offer it no longer. */
export async function offerTemplate(
  connection: ConnectionOptions & { readonly ca: string },
  name: string,
  isOffered: boolean
): Promise<void> {
  const { ca, ...options } = connection
  await withTemplates(options, templates => (isOffered ? templates.offer(name, ca) : templates.withdraw(name, ca)))
}
