import { CaStore, TemplateStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { TemplatesController } from './templates.controller.js'
import { TemplatesService } from './templates.service.js'

/** Certificate templates. */
export const templatesFeature: ConsoleFeature = {
  controllers: [TemplatesController],
  providers: [TemplatesService],
  stores: [CaStore, TemplateStore]
}
