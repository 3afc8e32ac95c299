import { isAppError } from '@app/core'
import type { Certificate } from '@app/x509'
import { addressRules } from './lint-rules-addresses.js'
import { altNameRules } from './lint-rules-alt-names.js'
import { extensionRules } from './lint-rules-extensions.js'
import { fieldRules } from './lint-rules-fields.js'
import { issuerRules } from './lint-rules-issuer.js'
import { microsoftRules } from './lint-rules-microsoft.js'
import { nameRules } from './lint-rules-names.js'
import { purposeRules } from './lint-rules-purposes.js'
import { usageRules } from './lint-rules-usage.js'
import type { LintFinding, LintRule } from './lint-rule.js'
import { decodeTbsFacts, issuerFactsOf, type TbsFacts } from './tbs-facts.js'

/** Every rule of the certificate linter, in the order of its findings. */
export const CERTIFICATE_RULES: readonly LintRule[] = [
  ...fieldRules,
  ...issuerRules,
  ...nameRules,
  ...altNameRules,
  ...extensionRules,
  ...addressRules,
  ...usageRules,
  ...purposeRules,
  ...microsoftRules
]

/**
 * What is wrong with a TBSCertificate; empty when nothing is. What cannot be read at all is one finding, `structure`.
 * @param issuer the certificate of the CA that is to sign it; none for a root
 */
export function lintTbs(tbs: Uint8Array, issuer?: Certificate): LintFinding[] {
  let facts: TbsFacts
  try {
    facts = decodeTbsFacts(tbs, issuer === undefined ? undefined : issuerFactsOf(issuer))
  } catch (error) {
    if (!isAppError(error)) throw error
    return [{ id: 'structure', citation: 'RFC 5280, 4.1', severity: 'error', message: error.message }]
  }
  const findings: LintFinding[] = []
  for (const { id, citation, severity, check } of CERTIFICATE_RULES) {
    const message = check(facts)
    if (message !== undefined) findings.push({ id, citation, severity, message })
  }
  return findings
}
