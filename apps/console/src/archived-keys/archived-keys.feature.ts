import { ArchivedKeyStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { ArchivedKeySearch } from './archived-key-search.js'
import { ArchivedKeysController } from './archived-keys.controller.js'
import { ArchivedKeysService } from './archived-keys.service.js'

/** What is in the archive. */
export const archivedKeysFeature: ConsoleFeature = {
  controllers: [ArchivedKeysController],
  providers: [ArchivedKeySearch, ArchivedKeysService],
  stores: [ArchivedKeyStore]
}
