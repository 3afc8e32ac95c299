import { isAppError } from '@app/core'
import { extensionRules } from './lint-rules-extensions.js'
import { fieldRules } from './lint-rules-fields.js'
import { nameRules } from './lint-rules-names.js'
import { usageRules } from './lint-rules-usage.js'
import type { LintFinding, LintRule } from './lint-rule.js'
import { decodeTbsFacts, type TbsFacts } from './tbs-facts.js'

/** Every rule of the certificate linter, in the order of its findings. */
export const CERTIFICATE_RULES: readonly LintRule[] = [...fieldRules, ...nameRules, ...extensionRules, ...usageRules]

/**
 * What is wrong with a TBSCertificate; empty when nothing is. What cannot be read at all is one finding, `structure`.
 */
export function lintTbs(tbs: Uint8Array): LintFinding[] {
  let facts: TbsFacts
  try {
    facts = decodeTbsFacts(tbs)
  } catch (error) {
    if (!isAppError(error)) throw error
    return [{ id: 'structure', citation: 'RFC 5280, 4.1', severity: 'error', message: error.message }]
  }
  return CERTIFICATE_RULES.flatMap(({ id, citation, severity, check }) => {
    const message = check(facts)
    return message === undefined ? [] : [{ id, citation, severity, message }]
  })
}
