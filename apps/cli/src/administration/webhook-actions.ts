import { AppError, asId, type RequestId } from '@app/core'
import { WebhookStore, type DeliveryState } from '@app/storage'
import { withAdministration } from './administration.js'

/** What `webhook list` is narrowed by. */
export interface DeliveryListing {
  readonly state?: DeliveryState
  readonly webhook?: string
  readonly request?: number
  readonly limit: number
}

/** Deliveries, newest first. */
export function listDeliveries({ state, webhook, request, limit }: DeliveryListing): Promise<readonly object[]> {
  const filter = {
    ...(state === undefined ? {} : { state }),
    ...(webhook === undefined ? {} : { webhook }),
    ...(request === undefined ? {} : { requestId: asId<RequestId>(request) })
  }
  return withAdministration(async ({ database }) => {
    const { rows } = await new WebhookStore(database.dataSource).list(filter, limit)
    return rows.map(({ leasedUntil: _leasedUntil, ...row }) => row)
  })
}

/** Makes a delivery due again that was given up. Throws `not_found` when there is no such one, `invalid_argument`. */
export function retryDelivery(id: string): Promise<string> {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    throw new AppError('invalid_argument', `"${id}" is no id of a delivery; "certkeep webhook list" shows them.`)
  }
  return withAdministration(async ({ database, clock, actor }) => {
    const webhooks = new WebhookStore(database.dataSource)
    if (await webhooks.retry(id, { actor }, clock.now())) return `Delivery ${id} is due again.`
    throw new AppError('not_found', `There is no delivery ${id} that was given up.`)
  })
}

/** Has a receiver told again that had answered that it is gone. Throws `not_found`. */
export function resumeWebhook(name: string): Promise<string> {
  return withAdministration(async ({ database, clock, actor }) => {
    const webhooks = new WebhookStore(database.dataSource)
    if (await webhooks.resume(name, { actor }, clock.now())) return `The webhook ${name} is told again.`
    throw new AppError('not_found', `There is no webhook "${name}" that was stopped.`)
  })
}
