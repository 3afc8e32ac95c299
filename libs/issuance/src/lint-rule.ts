import type { TbsFacts } from './tbs-facts.js'

/** One fault of a certificate that is about to be signed. An `error` is never signed. */
export interface LintFinding {
  readonly id: string
  /** Where the rule is written. */
  readonly citation: string
  readonly severity: 'error' | 'warning'
  readonly message: string
}

/** A rule of the certificate linter. `check` returns what is wrong, or undefined. */
export interface LintRule {
  readonly id: string
  readonly citation: string
  readonly severity: 'error' | 'warning'
  readonly check: (facts: TbsFacts) => string | undefined
}
