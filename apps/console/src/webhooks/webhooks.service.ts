import { Injectable } from '@nestjs/common'
import { asId, type RequestId } from '@app/core'
import { WebhookStore, type DeliveryRow } from '@app/storage'
import { pageOfViews } from '../access/page.schemas.js'
import type { DeliveriesQuery, DeliveriesView } from './webhooks.schemas.js'

/** Notices to other servers, for those who look after the installation. */
@Injectable()
export class WebhooksService {
  constructor(private readonly deliveries: WebhookStore) {}

  /** Deliveries of the last 30 days, newest first. */
  async list({ webhook, state, requestId, limit, cursor }: DeliveriesQuery): Promise<DeliveriesView> {
    const filter = {
      ...(webhook === undefined ? {} : { webhook }),
      ...(state === undefined ? {} : { state }),
      ...(requestId === undefined ? {} : { requestId: asId<RequestId>(requestId) })
    }
    return pageOfViews(await this.deliveries.list(filter, limit, cursor), viewOf)
  }
}

function viewOf(row: DeliveryRow): DeliveriesView['items'][number] {
  const { id, webhook, requestId, drillId, event, occurredAt, state, attempts, status, error, endedAt } = row
  return {
    id,
    webhook,
    ...(requestId === null ? {} : { requestId }),
    ...(drillId === null ? {} : { drillId }),
    event,
    occurredAt: occurredAt.toISOString(),
    state,
    attempts,
    ...(status === null ? {} : { status }),
    ...(error === null ? {} : { error }),
    ...(endedAt === null ? {} : { endedAt: endedAt.toISOString() })
  }
}
