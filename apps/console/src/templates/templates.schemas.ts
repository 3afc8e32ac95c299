import { z } from 'zod'
import { templateSchema } from '@app/templates'
import { pageQuery, pageView } from '../access/page.schemas.js'

/** The id of a template version. */
export const templateIdParameter = z.coerce.number().int().min(1).max(0x7fffffff)

/** A template or a CA by its name. */
export const nameParameter = z.string().min(1).max(1536)

/** What the list of template versions is narrowed by. */
export const templatesQuery = pageQuery.extend({
  cursor: z.coerce.number().int().min(0).max(0x7fffffff).optional(),
  name: z.string().min(1).max(64).optional(),
  state: z.enum(['draft', 'active', 'retired']).optional()
})

/** Which other version is compared with. */
export const diffQuery = z.object({ with: templateIdParameter.describe('The id of the earlier version.') })

/** What the linter says of a template. */
const findingView = z.object({
  rule: z.string(),
  severity: z.enum(['error', 'warning']),
  message: z.string(),
  where: z.string(),
  remedy: z.string()
})

/** One version of a template, without what it says. */
const templateSummary = z.object({
  id: z.number(),
  name: z.string(),
  displayName: z.string(),
  oid: z.string(),
  version: z.string().describe('Major and minor, as 100.1.'),
  schemaVersion: z.number(),
  archival: z.boolean(),
  state: z.enum(['draft', 'active', 'retired']),
  author: z.string(),
  createdAt: z.string(),
  activatedBy: z.string().optional(),
  activatedAt: z.string().optional(),
  offeredAt: z.array(z.string()).describe('The CAs that offer it, of those the caller may know; of active versions.'),
  supersededBy: z.array(z.string()).describe('Templates offered beside it that supersede it.'),
  errors: z.number().describe('Findings of the linter that keep it from being used.'),
  warnings: z.number()
})

/** One page of template versions. */
export const templatesView = pageView(templateSummary)

const explainedFlag = z.object({
  flag: z.string(),
  name: z.string().optional(),
  heededBy: z.enum(['ca', 'client', 'nobody', 'refused']),
  meaning: z.string()
})

/** One version of a template: what it says, what its flags mean here, and what the linter says of it. */
export const templateView = templateSummary.extend({
  definition: z.record(z.string(), z.unknown()),
  flags: z.object({
    generalFlags: z.array(explainedFlag),
    enrollmentFlags: z.array(explainedFlag),
    privateKeyFlags: z.array(explainedFlag),
    subjectNameFlags: z.array(explainedFlag)
  }),
  findings: z.array(findingView)
})

/** What the linter says of a template that need not be kept. */
export const lintView = z.object({ findings: z.array(findingView) })

/** What one version says otherwise than another. */
export const diffView = z.object({
  from: z.object({ id: z.number(), version: z.string() }),
  to: z.object({ id: z.number(), version: z.string() }),
  differences: z.array(
    z.object({
      member: z.string(),
      attribute: z.string().optional(),
      from: z.unknown(),
      to: z.unknown(),
      flags: z.array(z.string()).optional()
    })
  )
})

/** A template as a caller gives it. */
export const templateBody = templateSchema

export type TemplateBody = z.infer<typeof templateBody>
export type TemplatesQuery = z.infer<typeof templatesQuery>
export type TemplateSummary = z.infer<typeof templateSummary>
export type TemplatesView = z.infer<typeof templatesView>
export type TemplateView = z.infer<typeof templateView>
export type LintView = z.infer<typeof lintView>
export type DiffQuery = z.infer<typeof diffQuery>
export type DiffView = z.infer<typeof diffView>
