export {
  accountNameOf,
  CallerAuthentication,
  remembered,
  type AuthenticatedCaller
} from './access/caller-authentication.js'
export { CallerLimits } from './access/caller-limits.js'
export { requireOwnOrigin } from './access/own-origin.js'
export * from './embedded-postgres/launcher.js'
export {
  appendCheckpointLines,
  checkpointFileOf,
  checkpointFileSize,
  openCheckpointFile,
  readCheckpointFile,
  type CheckpointFile
} from './audit/checkpoint-file.js'
export { drillStanding, registerDrillMetrics, verifyDrill, type DrillStanding } from './drill/drill-alarm.js'
export { ldapStanding, registerLdapMetrics, type LdapStanding } from './ldap-standing/ldap-standing.js'
export { registerAuditMetrics } from './audit/audit-metrics.js'
export { RefusalLog } from './audit/refusal-log.js'
export { parseDatabaseUrl, type DatabaseSettings } from './config/database-url.js'
export { loadConfig, type Config, type ConfigSources } from './config/load.js'
export { configReference } from './config/reference.js'
export type { WebhookSettings } from './config/webhook-settings.js'
export { ROLES, type Role, type SettingsInput } from './config/schema.js'
export { createKeyFiles } from './files/key-files.js'
export { roleDatabase, storesOf } from './database/role-database.js'
export { CLOCK, CONFIG, ENTROPY, KEY_STORE, LOG } from './injection.js'
export { isPassing, rowFailure } from './row-failure.js'
export {
  createHttpsApplication,
  type HttpsApplication,
  type HttpsApplicationOptions
} from './http/https-application.js'
export {
  certificateUrls,
  distributionUrls,
  type CertificateUrls,
  type DistributionUrls
} from './http/distribution-urls.js'
export { AnswersBytes } from './http/answers-bytes.js'
export { BINARY_MEDIA_TYPES, Consumes, mediaTypeOf } from './http/media-types.js'
export {
  createPlainListener,
  type PlainAnswer,
  type PlainHandler,
  type PlainListener,
  type PlainRequest,
  type PlainPost
} from './http/plain-listener.js'
export { createRateLimiter, type RateLimiter } from './http/rate-limit.js'
export { createSideListener, type SideListener, type SideListenerOptions } from './http/side-listener.js'
export type { ServerTls } from './http/server-tls.js'
export { createShutdown, shutDownOnSignals, type Shutdown } from './http/shutdown.js'
export { createLogger, type Logger, type LoggerOptions } from './logger/logger.js'
export { nestLoggerOf } from './logger/nest-logger.js'
export { registerCoverageMetrics } from './observation/coverage-metrics.js'
export { registerOperationMetrics } from './observation/operation-metrics.js'
export { registerRecoveryMetrics } from './observation/recovery-metrics.js'
export { createHealth, type Health, type HealthReport } from './observation/health.js'
export { createMetrics, type Metrics } from './observation/metrics.js'
export { tellError } from './problems/problem-filter.js'
export { HTTP_PROBLEMS, type HttpProblem } from './problems/http-status.js'
export {
  InvalidRequest,
  TokenExchangeRefusal,
  jsonPointer,
  PROBLEM_MEDIA_TYPE,
  problemSchema,
  problemOf,
  type Problem,
  type ProblemDetail
} from './problems/problem.js'
export { runtimeModule, type Runtime } from './runtime-module.js'
