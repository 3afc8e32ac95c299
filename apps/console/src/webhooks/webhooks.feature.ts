import { WebhookStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { WebhooksController } from './webhooks.controller.js'
import { WebhooksService } from './webhooks.service.js'

/** Notices to other servers. */
export const webhooksFeature: ConsoleFeature = {
  controllers: [WebhooksController],
  providers: [WebhooksService],
  stores: [WebhookStore]
}
