import type { CertificateTemplate } from './certificate-template.js'
import { abuseRules } from './lint-rules-abuse.js'
import { archivalRules } from './lint-rules-archival.js'
import { contentRules } from './lint-rules-content.js'
import type { TemplateFinding, TemplateRule } from './template-rule.js'

/** Every rule of the linter, in the order of its findings. */
export const TEMPLATE_RULES: readonly TemplateRule[] = [...abuseRules, ...archivalRules, ...contentRules]

/** What is wrong with a template; empty when nothing is. */
export function lintTemplate(template: CertificateTemplate): TemplateFinding[] {
  return TEMPLATE_RULES.flatMap(({ rule, severity, remedy, check }) => {
    const message = check(template)
    return message === undefined ? [] : [{ rule, severity, message, remedy }]
  })
}
