import { AppError, isAppError, type CaId, type TemplateId } from '@app/core'
import { type CertificateTemplate, decodeTemplate, encodeTemplate, requireSafeTemplate } from '@app/templates'
import { type DataSource, In } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { Because } from './audit-row.js'
import { templateEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, type Statement } from './sql.js'
import { INSTALLATION, type TemplateRow } from './template-row.js'
import { managerOf, translated, type Unit, within } from './unit.js'

const ALL = `SELECT ${selectList(templateEntity, 't')} FROM certkeep.template AS t`

const FIND: Statement = { name: 'template_find', text: `${ALL} WHERE t.id = $1` }
const FIND_ACTIVE: Statement = { text: `${ALL} WHERE lower(t.name) = lower($1) AND t.state = 'active'` }
const LIST: Statement = { text: `${ALL} ORDER BY lower(t.name), t.major, t.minor` }
const LIST_PAGE: Statement = {
  text: `
    ${ALL} WHERE t.id > $1 AND ($2::text IS NULL OR lower(t.name) = lower($2)) AND ($3::text IS NULL OR t.state = $3)
    ORDER BY t.id LIMIT $4`
}
const LIST_OFFERED: Statement = {
  name: 'template_offered',
  text: `
    ${ALL} JOIN certkeep.ca_template AS o ON lower(o.template_name) = lower(t.name)
    WHERE o.ca_id = $1 AND t.state = 'active' ORDER BY lower(t.name)`
}

/** Versions of templates. What a version says never changes, and whether it is archival follows from what it says. */
export class TemplateStore {
  constructor(private readonly dataSource: DataSource) {}

  /** For the console. Adds a version as a draft. Throws `conflict` when this version of the name exists. */
  add(template: CertificateTemplate, because: Because, now: Date, unit?: Unit): Promise<TemplateId> {
    const { dataSource } = this
    const { name, oid, schemaVersion, majorVersion: major, minorVersion: minor } = template
    return within(dataSource, unit, async open => {
      const definition = encodeTemplate(template)
      const fresh = {
        state: 'draft' as const,
        createdAt: now,
        author: because.actor,
        activatedBy: null,
        activatedAt: null
      }
      const row = { name, oid, major, minor, schemaVersion, definition, ...fresh }
      const inserted = await translated(managerOf(dataSource, open).insert(templateEntity, row as object))
      const id = (inserted.identifiers[0] as Pick<TemplateRow, 'id'>).id
      const detail = { name, version: `${major}.${minor}` }
      await appendChange(dataSource, open, { object: 'template', id, verb: 'added', at: now, detail }, because)
      return id
    })
  }

  /**
   * For the console. Draft or retired to active; the version that was active is retired. Whether it moved.
   * Throws `activator_is_author` for its author, and `template_unsafe` for what the linter has an error on.
   */
  activate(id: TemplateId, because: Because, now: Date, unit?: Unit): Promise<boolean> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const row = await this.find(id, open)
      if (row === undefined || row.state === 'active') return false
      requireSecondPerson(row, because.actor)
      requireSafeTemplate(row.definition)
      const former = await this.findActive(row.name, open)
      if (former !== undefined) await this.change(former.id, ['active'], { state: 'retired' }, because, now, open)
      const activation = { state: 'active', activatedBy: because.actor, activatedAt: now } as const
      return this.change(id, ['draft', 'retired'], activation, because, now, open)
    })
  }

  /** For the console. Draft or active to retired. Whether it moved. */
  retire(id: TemplateId, because: Because, now: Date): Promise<boolean> {
    return within(this.dataSource, undefined, unit =>
      this.change(id, ['draft', 'active'], { state: 'retired' }, because, now, unit)
    )
  }

  /** In any state. */
  async find(id: TemplateId, unit?: Unit): Promise<TemplateRow | undefined> {
    const [row] = await this.read(FIND, [id], unit)
    return row
  }

  /** The active version of a name, whatever its case. */
  async findActive(name: string, unit?: Unit): Promise<TemplateRow | undefined> {
    const [row] = await this.read(FIND_ACTIVE, [name], unit)
    return row
  }

  /** Every version, by name and version. */
  list(): Promise<readonly TemplateRow[]> {
    return this.read(LIST, [])
  }

  /** Versions by their ids, after the one given. */
  listPage(
    { name, state }: { readonly name?: string | undefined; readonly state?: TemplateRow['state'] | undefined },
    limit: number,
    after: TemplateId
  ): Promise<readonly TemplateRow[]> {
    return this.read(LIST_PAGE, [after, name ?? null, state ?? null, limit])
  }

  /**
   * The active versions that a CA offers, by name. One that is no template, because it was changed in the database
   * behind our back, is as good as not offered: it does not hold back the others.
   */
  async listOffered(caId: CaId): Promise<readonly TemplateRow[]> {
    const rows = await query<TemplateRow>(this.dataSource, undefined, LIST_OFFERED, [caId])
    return rows.flatMap(row => {
      try {
        return [decoded(row)]
      } catch (error) {
        if (isAppError(error, 'invalid_argument')) return []
        throw error
      }
    })
  }

  /** Throws `invalid_argument` for a definition that was changed in the database behind our back. */
  private async read(statement: Statement, values: readonly unknown[], unit?: Unit): Promise<readonly TemplateRow[]> {
    const rows = await query<TemplateRow>(this.dataSource, unit, statement, values)
    return rows.map(decoded)
  }

  private async change(
    id: TemplateId,
    from: readonly TemplateRow['state'][],
    patch: Activation | { readonly state: 'retired' },
    because: Because,
    now: Date,
    unit: Unit
  ): Promise<boolean> {
    const manager = managerOf(this.dataSource, unit)
    const updated = await translated(manager.update(templateEntity, { id, state: In(from) }, patch))
    if (updated.affected !== 1) return false
    const verb = patch.state === 'active' ? 'activated' : 'retired'
    await appendChange(this.dataSource, unit, { object: 'template', id, verb, at: now }, because)
    return true
  }
}

type Activation = { readonly state: 'active' } & { readonly activatedBy: string; readonly activatedAt: Date }

/** The database has the same rule; here it has a sentence. */
function requireSecondPerson({ name, author, major, minor }: TemplateRow, actor: string): void {
  if (author === INSTALLATION || author.toLowerCase() !== actor.toLowerCase()) return
  throw new AppError(
    'activator_is_author',
    `${actor} wrote version ${major}.${minor} of the template ${name}; somebody else must activate it.`,
    { template: name, author }
  )
}

function decoded(row: TemplateRow): TemplateRow {
  return { ...row, definition: decodeTemplate(row.definition) }
}
