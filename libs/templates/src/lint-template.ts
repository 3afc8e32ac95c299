import { AppError } from '@app/core'
import type { CertificateTemplate } from './certificate-template.js'
import { abuseRules } from './lint-rules-abuse.js'
import { addressRules } from './lint-rules-addresses.js'
import { archivalRules } from './lint-rules-archival.js'
import { contentRules } from './lint-rules-content.js'
import { controlRules } from './lint-rules-control.js'
import { attributeOf } from './template-attributes.js'
import type { TemplateFinding, TemplateRule } from './template-rule.js'

/** Every rule of the linter, in the order of its findings. */
export const TEMPLATE_RULES: readonly TemplateRule[] = [
  ...abuseRules,
  ...controlRules,
  ...archivalRules,
  ...contentRules,
  ...addressRules
]

/** What is wrong with a template; empty when nothing is. */
export function lintTemplate(template: CertificateTemplate): TemplateFinding[] {
  return TEMPLATE_RULES.flatMap(({ rule, severity, where, remedy, check }) => {
    const message = check(template)
    return message === undefined ? [] : [{ rule, severity, message, where: placeOf(where), remedy }]
  })
}

function placeOf(members: readonly (keyof CertificateTemplate)[]): string {
  const places = members.map(member => {
    const attribute = attributeOf(member)
    return attribute === undefined ? member : `${member} (${attribute})`
  })
  return places.join(', ')
}

/**
 * Refuses a template with a finding of severity error: it is not activated, and nothing is issued by it should it be
 * active all the same. Throws `template_unsafe` with the first finding.
 */
export function requireSafeTemplate(template: CertificateTemplate): void {
  const finding = lintTemplate(template).find(({ severity }) => severity === 'error')
  if (finding === undefined) return
  throw new AppError(
    'template_unsafe',
    `The template ${template.name} is not used (${finding.rule}): ${finding.message} ${finding.remedy}`,
    { template: template.name, rule: finding.rule }
  )
}
