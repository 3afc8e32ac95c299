import { AppError } from '@app/core'
import { GroupStore, TemplateStore, type Database, type TemplateRow } from '@app/storage'
import { domainOf, explainFlags, FLAG_MEMBERS, lintTemplate, wellKnownName, type FindGroup } from '@app/templates'
import {
  enrolleesOf,
  formatTemplates,
  importEach,
  parseSidMap,
  readTemplateFile,
  templatesOf,
  type ExportOptions,
  type ImportOutcome
} from '../client/template-files.js'
import { withAdministration } from './administration.js'

/** Every version of every template. */
export function listTemplates(): Promise<readonly object[]> {
  return withAdministration(async ({ database }) =>
    (await new TemplateStore(database.dataSource).list()).map(row => ({
      id: row.id,
      name: row.name,
      oid: row.oid,
      version: `${row.major}.${row.minor}`,
      archival: row.archival,
      state: row.state,
      author: row.author,
      ...(row.activatedBy === null ? {} : { activatedBy: row.activatedBy })
    }))
  )
}

/** A version by its id, or the active one by its name: explained and linted. Throws `not_found`. */
export function showTemplate(which: string): Promise<object> {
  return withAdministration(async ({ database }) => {
    const { id, state, author, activatedBy, definition } = await findVersion(database, which)
    return {
      id,
      state,
      author,
      activatedBy,
      definition,
      flags: Object.fromEntries(FLAG_MEMBERS.map(member => [member, explainFlags(member, definition[member])])),
      findings: lintTemplate(definition)
    }
  })
}

async function findVersion(database: Database, which: string): Promise<TemplateRow> {
  const templates = new TemplateStore(database.dataSource)
  const byId = /^[1-9]\d{0,8}$/.test(which)
    ? (await templates.list()).find(({ id }) => id === Number(which))
    : undefined
  const row = byId ?? (await templates.findActive(which))
  if (row === undefined) throw new AppError('not_found', `There is no active template "${which}".`)
  return row
}

/** Adds the templates of a file as drafts, which an operator activates. */
export async function importTemplates(file: string, sidMap: readonly string[]): Promise<readonly ImportOutcome[]> {
  const groups = parseSidMap(sidMap)
  const read = await readTemplateFile(file)
  return withAdministration(async ({ database, clock, actor }) => {
    const known = await groupsOf(database, enrolleesOf(read))
    const templates = new TemplateStore(database.dataSource)
    const now = clock.now()
    return importEach(
      templatesOf(read, sid => groups.get(sid) ?? known(sid)),
      template => templates.add(template, { actor }, now)
    )
  })
}

/**
 * Groups by their own security identifiers; and the groups that every domain has, where accounts of that domain are in
 * the directory.
 */
async function groupsOf({ dataSource }: Database, sids: readonly string[]): Promise<FindGroup> {
  const groups = new GroupStore(dataSource)
  const [names, domains] = await Promise.all([groups.findNames(sids), groups.listDomainSids()])
  return sid => {
    const own = names.get(sid)
    if (own !== undefined) return own
    const name = domains.includes(domainOf(sid) ?? '') ? wellKnownName(sid) : undefined
    return name === 'Domain Users' || name === 'Domain Computers' ? name : undefined
  }
}

/** The templates of these names or ids, or every active one, as text. Throws `not_found`. */
export function exportTemplates(which: readonly string[], options: ExportOptions): Promise<string> {
  return withAdministration(async ({ database }) => {
    const rows =
      which.length === 0
        ? (await new TemplateStore(database.dataSource).list()).filter(({ state }) => state === 'active')
        : await Promise.all(which.map(each => findVersion(database, each)))
    return formatTemplates(
      rows.map(({ definition }) => definition),
      options
    )
  })
}
