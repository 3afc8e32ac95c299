import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { Config, Metrics, Runtime, Shutdown } from '@app/platform'
import { PublicationStore } from '@app/storage'
import { MessageCounts } from '../../front/src/messaging/message-counts.js'
import { SubmitCalls } from '../../front/src/messaging/submit/submit-calls.service.js'
import { registerPublicationMetrics } from '../../front/src/publishing/publication-metrics.js'
import { ManagementPoint } from '../../front/src/registration/management-point.js'
import { WebhookRecording } from '../../front/src/webhooks/webhook-recording.js'

/** How long calls in progress are let wait for their outcomes when the server ends. */
const patience = 2000

/** What {@link beginFrontWork} needs. */
export interface FrontWorkParts {
  readonly config: Config
  readonly metrics: Metrics
  readonly runtime: Runtime
  readonly shutdown: Shutdown
}

/** Begins what the front does beside its answers, and what it is measured by. */
export async function beginFrontWork(app: NestFastifyApplication, parts: FrontWorkParts): Promise<void> {
  const { config, metrics, runtime, shutdown } = parts
  await app.get(WebhookRecording).begin(config, metrics)
  if (config.registration.enabled) await app.get(ManagementPoint).open()
  if (config.directory.ldap.url !== undefined) registerPublicationMetrics(metrics.registry, app.get(PublicationStore))
  app.get(MessageCounts).begin(metrics)
  const calls = app.get(SubmitCalls).begin()
  shutdown.add('calls', grace => {
    const release = setTimeout(() => runtime.outcomes.close(), Math.min(grace / 2, patience))
    return calls.stop().finally(() => clearTimeout(release))
  })
}
