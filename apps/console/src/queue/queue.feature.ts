import {
  AuditLog,
  CaStore,
  CertificateSearch,
  DecisionStore,
  PrincipalStore,
  QueueStore,
  RequestStore,
  TemplateStore
} from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { CaIssuers } from '../requests/ca-issuers.js'
import { EditsController } from '../requests/edits.controller.js'
import { RequestAccess } from '../requests/request-access.js'
import { RequestEdits } from '../requests/request-edits.service.js'
import { RequestHistory } from '../requests/request-history.js'
import { RequestPreview } from '../requests/request-preview.js'
import { DecisionsService } from './decisions.service.js'
import { QueueController } from './queue.controller.js'
import { QueueService } from './queue.service.js'

/** The queue of requests and the decisions on them. */
export const queueFeature: ConsoleFeature = {
  controllers: [QueueController, EditsController],
  providers: [CaIssuers, DecisionsService, QueueService, RequestAccess, RequestEdits, RequestHistory, RequestPreview],
  stores: [AuditLog, CaStore, CertificateSearch, DecisionStore, PrincipalStore, QueueStore, RequestStore, TemplateStore]
}
