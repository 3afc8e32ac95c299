import type { CertificateTemplate } from './certificate-template.js'

/** `error`: the template is not activated, and refused should it be used. `warning`: an administrator should know. */
export type LintSeverity = 'error' | 'warning'

/** One fault of a template: what is wrong with it, where, and what to change. */
export interface TemplateFinding {
  readonly rule: string
  readonly severity: LintSeverity
  readonly message: string
  /** The members that are to blame, each with its attribute in AD where it has one. */
  readonly where: string
  readonly remedy: string
}

/**
 * A rule of the linter. Rules named ESC1 to ESC17 are the template abuses known under these names.
 * `check` returns what is wrong, or undefined.
 */
export interface TemplateRule {
  readonly rule: string
  readonly severity: LintSeverity
  readonly where: readonly (keyof CertificateTemplate)[]
  readonly remedy: string
  readonly check: (template: CertificateTemplate) => string | undefined
}

/** A finding in an export, and the object that has it. */
export interface ExportFinding extends TemplateFinding {
  /** The distinguished name of the entry. */
  readonly object: string
}
