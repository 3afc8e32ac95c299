import type { ConnectionOptions } from './client-options.js'
import type { OutputFormat } from './output.js'

/** What an archived key is found by. */
export interface KeyCriteriaOptions extends ConnectionOptions {
  readonly serial?: string
  readonly subject?: string
  readonly upn?: string
  readonly account?: string
  /** SHA-1 or SHA-256 of the certificate; the option `--fingerprint` is that of the trusted root. */
  readonly digest?: string
  readonly request?: number
}

/** The options of `key list`. */
export interface KeyListOptions extends KeyCriteriaOptions {
  readonly limit: number
  readonly output: OutputFormat
}

/** The options of `key pending`. */
export interface PendingOptions extends ConnectionOptions {
  readonly state?: string
  readonly mine?: boolean
  readonly limit: number
  readonly output: OutputFormat
}

/** The options of the commands that are about one recovery. */
export interface RecoveryOptions extends ConnectionOptions {
  readonly output: OutputFormat
}

/** The options of `key recover`. */
export interface RecoverOptions extends KeyCriteriaOptions {
  readonly reason: string
  readonly ticket: string
  readonly recipient?: string
  readonly output: OutputFormat
}

/** The options of `key approve`. */
export interface ApproveOptions extends RecoveryOptions {
  readonly agent?: string
  readonly agentKey?: string
  readonly agentCert?: string
  readonly agentId?: number
  readonly passwordFile?: string
  /** SHA-256 of the recipient's certificate, as the officer told it: in place of the question. */
  readonly recipientSha256?: string
  readonly yes?: boolean
}

/** The options of `key fetch`. */
export interface FetchOptions extends ConnectionOptions {
  readonly out?: string
}
