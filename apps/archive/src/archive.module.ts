import { Module, type DynamicModule } from '@nestjs/common'
import type { KeyStore } from '@app/keys'
import { KEY_STORE, roleDatabase, storesOf } from '@app/platform'
import {
  AgentStore,
  ArchiveStore,
  CaStore,
  DrillStore,
  ExchangeKeyStore,
  KeyImportStore,
  KeyPurgeStore,
  RecoveryArchiveStore,
  RequestStore,
  ResealWorkStore,
  TemplateStore,
  type ConnectionSettings
} from '@app/storage'
import { ArchiveSteps } from './archive-steps.js'
import { ExchangeKeys } from './inventory/exchange-keys.js'
import { ResealService } from './reseal/reseal.service.js'
import { CanaryRun, CanaryStores } from './drill/canary-run.js'
import { DrillService } from './drill/drill.service.js'
import { TestAgents } from './drill/test-agents.js'
import { RetentionSteps } from './retention/retention-steps.js'
import { ImportService } from './seal/import.service.js'
import { RecoverService } from './recover/recover.service.js'
import { RecoveryKeys } from './recover/recovery-keys.js'
import { SealService } from './seal/seal.service.js'
import { Sealer } from './seal/sealer.js'
import { SealingAgents } from './seal/sealing-agents.js'

const stores = [
  AgentStore,
  ArchiveStore,
  CaStore,
  DrillStore,
  ExchangeKeyStore,
  KeyImportStore,
  KeyPurgeStore,
  RecoveryArchiveStore,
  RequestStore,
  ResealWorkStore,
  TemplateStore
]

/** The role that opens clients' envelopes and seals keys to the recovery agents. It cannot open what it sealed. */
@Module({})
export class ArchiveModule {
  /** @param database how the role `archive` connects; `keys` holds the exchange keys */
  static register(database: ConnectionSettings, keys: KeyStore): DynamicModule {
    return {
      module: ArchiveModule,
      imports: [roleDatabase('archive', database)],
      providers: [
        ...storesOf('archive', stores),
        { provide: KEY_STORE, useValue: keys },
        ArchiveSteps,
        ExchangeKeys,
        ImportService,
        CanaryRun,
        CanaryStores,
        DrillService,
        RetentionSteps,
        TestAgents,
        RecoverService,
        RecoveryKeys,
        Sealer,
        ResealService,
        SealService,
        SealingAgents
      ]
    }
  }
}
