import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import { CONFIG, LOG, type Config, type Logger } from '@app/platform'
import { Jobs } from '@app/queue'
import { CaStore, Database, openDatabase, RequestStore, WebhookStore, type ConnectionSettings } from '@app/storage'
import { DeliveryService, WEBHOOK_TARGETS } from './delivery.service.js'
import { WebhookSteps } from './webhook-steps.js'
import { openTargets } from './webhook-targets.js'

/** Deliveries of all receivers share these connections. */
const poolSize = 4

/** The part of the front that tells other servers what becomes of requests. It runs beside the listeners. */
@Module({})
export class WebhooksModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  onApplicationShutdown(): Promise<void> {
    return this.database.close()
  }

  /** @param connection how the role `front` connects */
  static register(connection: ConnectionSettings): DynamicModule {
    const stores = [CaStore, RequestStore, WebhookStore].map(Store => ({
      provide: Store,
      inject: [Database],
      useFactory: ({ dataSource }: Database) => new Store(dataSource)
    }))
    return {
      module: WebhooksModule,
      providers: [
        { provide: WEBHOOK_TARGETS, inject: [CONFIG], useFactory: ({ webhooks }: Config) => openTargets(webhooks) },
        {
          // Once the targets are known to be good, so that no connection is left when they are not.
          provide: Database,
          inject: [WEBHOOK_TARGETS],
          useFactory: () => openDatabase({ ...connection, poolSize })
        },
        ...stores,
        { provide: Jobs, inject: [LOG], useFactory: (log: Logger) => new Jobs({ connection, log }) },
        DeliveryService,
        WebhookSteps
      ]
    }
  }
}
