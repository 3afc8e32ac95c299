import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** What the linter says of a template. */
export interface TemplateFindingView {
  readonly rule: string
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly where: string
  readonly remedy: string
}

/** One version of a template, without what it says. */
export interface TemplateSummaryView {
  readonly id: number
  readonly name: string
  readonly displayName: string
  readonly oid: string
  /** Major and minor, as `100.1`. */
  readonly version: string
  readonly schemaVersion: number
  readonly archival: boolean
  readonly state: 'draft' | 'active' | 'retired'
  readonly author: string
  readonly createdAt: string
  readonly activatedBy?: string
  readonly activatedAt?: string
  /** The CAs that offer it. */
  readonly offeredAt: readonly string[]
  /** Templates offered beside it that supersede it. */
  readonly supersededBy: readonly string[]
  /** Findings of the linter that keep it from being used. */
  readonly errors: number
  readonly warnings: number
}

/** A flag that is set, and what it does. */
export interface TemplateFlagView {
  readonly flag: string
  readonly name?: string
  readonly heededBy: 'ca' | 'client' | 'nobody' | 'refused'
  readonly meaning: string
}

/** One version of a template: what it says, what its flags mean, and what the linter says of it. */
export interface TemplateDetails extends TemplateSummaryView {
  readonly definition: Readonly<Record<string, unknown>>
  readonly flags: Readonly<
    Record<'generalFlags' | 'enrollmentFlags' | 'privateKeyFlags' | 'subjectNameFlags', readonly TemplateFlagView[]>
  >
  readonly findings: readonly TemplateFindingView[]
}

/** What one version says otherwise than another. */
export interface TemplateDiff {
  readonly from: { readonly id: number; readonly version: string }
  readonly to: { readonly id: number; readonly version: string }
  readonly differences: readonly {
    readonly member: string
    readonly attribute?: string
    readonly from: unknown
    readonly to: unknown
    readonly flags?: readonly string[]
  }[]
}

/** What the list of versions is narrowed by. */
export interface TemplateQuery extends PageOptions {
  readonly name?: string
  readonly state?: TemplateSummaryView['state']
}

const base = '/api/v1/templates'

/** Certificate templates: one person writes a version, another makes it active. */
export class Templates {
  constructor(private readonly transport: Transport) {}

  list(query: TemplateQuery = {}): Promise<ListPage<TemplateSummaryView>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  show(id: number): Promise<TemplateDetails> {
    return this.transport.json({ path: `${base}/${id}` })
  }

  /** Adds a version, in the JSON form, as a draft. */
  add(template: Readonly<Record<string, unknown>>): Promise<TemplateDetails> {
    return this.transport.json({ method: 'POST', path: base, json: template })
  }

  /** What is unsafe in a template in the JSON form; nothing is kept. */
  async lint(template: Readonly<Record<string, unknown>>): Promise<readonly TemplateFindingView[]> {
    const call = { method: 'POST', path: `${base}/lint`, json: template } as const
    return (await this.transport.json<{ readonly findings: readonly TemplateFindingView[] }>(call)).findings
  }

  /** What a version says otherwise than an earlier one. */
  diff(id: number, earlier: number): Promise<TemplateDiff> {
    return this.transport.json({ path: `${base}/${id}/diff`, query: { with: earlier } })
  }

  /** Makes a version active that somebody else wrote. */
  activate(id: number): Promise<TemplateDetails> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/activate` })
  }

  retire(id: number): Promise<TemplateDetails> {
    return this.transport.json({ method: 'POST', path: `${base}/${id}/retire` })
  }

  /** Has a CA offer a template, by their names. */
  async offer(name: string, ca: string): Promise<void> {
    await this.transport.call({ method: 'PUT', path: offerPath(name, ca) })
  }

  /** Has a CA offer a template no longer. */
  async withdraw(name: string, ca: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: offerPath(name, ca) })
  }
}

function offerPath(name: string, ca: string): string {
  return `${base}/${encodeURIComponent(name)}/cas/${encodeURIComponent(ca)}`
}
