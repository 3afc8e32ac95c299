import { Injectable } from '@nestjs/common'
import { Gauge } from 'prom-client'
import type { Config, Metrics, WebhookSettings } from '@app/platform'
import { WebhookStore, type WebhookSelection } from '@app/storage'

/** Of a webhook's settings what decides which deliveries there are. */
function selectionOf({ name, events, ca, template }: WebhookSettings): WebhookSelection {
  return { name, events, ...(ca === undefined ? {} : { ca }), ...(template === undefined ? {} : { template }) }
}

/** Has the metrics tell, at each scrape, how many notices are due and how many have been given up. */
function measureWebhooks({ registry }: Metrics, webhooks: readonly WebhookSettings[], store: WebhookStore): void {
  if (webhooks.length === 0) return
  const gauge = new Gauge({
    name: 'certkeep_webhook_deliveries',
    help: 'Notices to other servers that are due, or were given up in the last 30 days.',
    labelNames: ['webhook', 'state'],
    registers: [registry],
    collect: async () => {
      const counts = await store.countNotMade().catch(() => [])
      gauge.reset()
      for (const { name } of webhooks) {
        for (const state of ['due', 'failed', 'stopped']) gauge.set({ webhook: name, state }, 0)
      }
      for (const { webhook, state, count } of counts) gauge.set({ webhook, state }, count)
    }
  })
}

/** Has outcomes recorded for webhooks. */
@Injectable()
export class WebhookRecording {
  constructor(private readonly store: WebhookStore) {}

  /** Records for the webhooks of the configuration, and no others, from now on, and counts for them in the metrics. */
  async begin({ webhooks }: Config, metrics: Metrics): Promise<void> {
    await this.store.configure(webhooks.map(selectionOf))
    measureWebhooks(metrics, webhooks, this.store)
  }
}
