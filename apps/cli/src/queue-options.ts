import type { ConnectionOptions } from './client-options.js'
import type { OutputFormat } from './output.js'

/** The options of `queue list`. */
export interface ListOptions extends ConnectionOptions {
  readonly state: string
  readonly template?: string
  readonly requester?: string
  readonly subject?: string
  readonly keyId?: string
  readonly submittedFrom?: string
  readonly submittedUntil?: string
  readonly olderThan?: string
  readonly order: 'newest' | 'oldest'
  readonly limit: number
  readonly all?: boolean
  readonly output: OutputFormat
}

/** The options of the commands that decide. */
export interface DecisionOptions extends ConnectionOptions {
  readonly reason?: string
  readonly ifMatch?: string
  readonly dryRun?: boolean
  readonly output: OutputFormat
}

/** The options of `queue set-extension`. */
export interface ExtensionOptions extends DecisionOptions {
  readonly value?: string
  readonly valueFile?: string
  readonly san: readonly string[]
  readonly critical?: boolean
  readonly disable?: boolean
}
