import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, type CaId, type Clock, type TemplateId } from '@app/core'
import { CLOCK } from '@app/platform'
import { CaStore, TemplateStore, type TemplateRow } from '@app/storage'
import {
  diffTemplates,
  encodeTemplate,
  explainFlags,
  lintTemplate,
  requireSafeTemplate,
  supersededBy,
  type CertificateTemplate
} from '@app/templates'
import type { AuthenticatedOperator } from '../access/operator.js'
import type {
  DiffView,
  LintView,
  TemplatesQuery,
  TemplateSummary,
  TemplatesView,
  TemplateView
} from './templates.schemas.js'

/** What the CAs that an operator may know offer. */
type Offers = readonly { readonly ca: string; readonly templates: readonly TemplateRow[] }[]

/** Template versions: one person writes each, another makes it active. */
@Injectable()
export class TemplatesService {
  constructor(
    private readonly templates: TemplateStore,
    private readonly cas: CaStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of versions, by their ids. */
  async list(query: TemplatesQuery, operator: AuthenticatedOperator): Promise<TemplatesView> {
    const { limit, cursor = 0, ...filter } = query
    const rows = await this.templates.listPage(filter, limit + 1, asId<TemplateId>(cursor))
    const offers = await this.offers(operator)
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    const items = page.map(row => summaryOf(row, offers))
    return rows.length > limit && last !== undefined ? { items, next: String(last.id) } : { items }
  }

  /** Throws `not_found`. */
  async show(id: number, operator: AuthenticatedOperator): Promise<TemplateView> {
    return viewOf(await this.get(id), await this.offers(operator))
  }

  /** An unsafe version is kept too, with its findings; it cannot be activated. Throws `conflict` for one that exists. */
  async add(template: CertificateTemplate, operator: AuthenticatedOperator): Promise<TemplateView> {
    const id = await this.templates.add(template, { actor: operator.name }, this.clock.now())
    return this.show(id, operator)
  }

  lint(template: CertificateTemplate): LintView {
    return { findings: lintTemplate(template) }
  }

  /** Throws `not_found`, and `invalid_argument` for versions of different templates. */
  async diff(fromId: number, toId: number): Promise<DiffView> {
    const [from, to] = await Promise.all([this.get(fromId), this.get(toId)])
    if (from.name.toLowerCase() !== to.name.toLowerCase()) {
      throw new AppError('invalid_argument', `${fromId} and ${toId} are versions of different templates.`)
    }
    return {
      from: { id: from.id, version: versionOf(from) },
      to: { id: to.id, version: versionOf(to) },
      differences: diffTemplates(from.definition, to.definition)
    }
  }

  /** Throws `activator_is_author`, `template_unsafe`, and `conflict` for a version that is active. */
  async activate(id: number, operator: AuthenticatedOperator): Promise<TemplateView> {
    const row = await this.get(id)
    const moved = await this.templates.activate(row.id, { actor: operator.name }, this.clock.now())
    if (!moved) throw new AppError('conflict', `${row.name} ${versionOf(row)} is active already.`)
    return this.show(id, operator)
  }

  /** Throws `conflict` for a version that is retired. */
  async retire(id: number, operator: AuthenticatedOperator): Promise<TemplateView> {
    const row = await this.get(id)
    const moved = await this.templates.retire(row.id, { actor: operator.name }, this.clock.now())
    if (!moved) throw new AppError('conflict', `${row.name} ${versionOf(row)} is retired already.`)
    return this.show(id, operator)
  }

  /** Throws `not_found` for a template without an active version, `template_unsafe`, and `conflict` when it is offered. */
  async offer(name: string, caName: string, operator: AuthenticatedOperator): Promise<void> {
    const caId = await this.caId(caName)
    const row = await this.templates.findActive(name)
    if (row === undefined) throw new AppError('not_found', `There is no active template "${name.slice(0, 64)}".`)
    requireSafeTemplate(row.definition)
    const added = await this.cas.addOffer(caId, row.name, { actor: operator.name }, this.clock.now())
    if (!added) throw new AppError('conflict', `The CA offers ${row.name} already.`)
  }

  /** Throws `conflict` when the CA does not offer it. */
  async withdraw(name: string, caName: string, operator: AuthenticatedOperator): Promise<void> {
    const caId = await this.caId(caName)
    const removed = await this.cas.removeOffer(caId, name, { actor: operator.name }, this.clock.now())
    if (!removed) throw new AppError('conflict', `The CA does not offer "${name.slice(0, 64)}".`)
  }

  private async caId(name: string): Promise<CaId> {
    const ca = await this.cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
    return ca.id
  }

  private async get(id: number): Promise<TemplateRow> {
    const row = await this.templates.find(asId<TemplateId>(id))
    if (row === undefined) throw new AppError('not_found', `There is no template version ${id}.`)
    return row
  }

  private async offers(operator: AuthenticatedOperator): Promise<Offers> {
    const known = (await this.cas.list()).filter(ca => operator.may('ca.read', ca.id))
    return Promise.all(
      known.map(async ({ id, name }) => ({ ca: name, templates: await this.templates.listOffered(id) }))
    )
  }
}

function versionOf({ major, minor }: TemplateRow): string {
  return `${major}.${minor}`
}

function summaryOf(row: TemplateRow, offers: Offers): TemplateSummary {
  const { id, name, definition, oid, schemaVersion, archival, state, author } = row
  const offering = offers.filter(({ templates }) => templates.some(offered => offered.id === id))
  const superseding = offering.flatMap(({ templates }) =>
    supersededBy(
      definition,
      templates.map(offered => offered.definition)
    )
  )
  const findings = lintTemplate(definition)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return {
    id,
    name,
    displayName: definition.displayName,
    oid,
    version: versionOf(row),
    schemaVersion,
    archival,
    state,
    author,
    createdAt: row.createdAt.toISOString(),
    ...(row.activatedBy === null ? {} : { activatedBy: row.activatedBy }),
    ...(row.activatedAt === null ? {} : { activatedAt: row.activatedAt.toISOString() }),
    offeredAt: offering.map(({ ca }) => ca),
    supersededBy: [...new Set(superseding)],
    errors,
    warnings: findings.length - errors
  }
}

function viewOf(row: TemplateRow, offers: Offers): TemplateView {
  const { definition } = row
  return {
    ...summaryOf(row, offers),
    definition: encodeTemplate(definition),
    flags: {
      generalFlags: explainFlags('generalFlags', definition.generalFlags),
      enrollmentFlags: explainFlags('enrollmentFlags', definition.enrollmentFlags),
      privateKeyFlags: explainFlags('privateKeyFlags', definition.privateKeyFlags),
      subjectNameFlags: explainFlags('subjectNameFlags', definition.subjectNameFlags)
    },
    findings: lintTemplate(definition)
  }
}
