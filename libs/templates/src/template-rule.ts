import type { CertificateTemplate } from './certificate-template.js'

/** `error`: the template is not activated, and refused should it be used. `warning`: an administrator should know. */
export type LintSeverity = 'error' | 'warning'

/** One fault of a template: what is wrong with it and what to change. */
export interface TemplateFinding {
  readonly rule: string
  readonly severity: LintSeverity
  readonly message: string
  readonly remedy: string
}

/**
 * A rule of the linter. Rules named ESC1 to ESC17 are the template abuses known under these names.
 * `check` returns what is wrong, or undefined.
 */
export interface TemplateRule {
  readonly rule: string
  readonly severity: LintSeverity
  readonly remedy: string
  readonly check: (template: CertificateTemplate) => string | undefined
}
