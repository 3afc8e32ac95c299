import { AuditChainStore, AuditLog } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { AuditController } from './audit.controller.js'
import { AuditService } from './audit.service.js'

/** The audit log. */
export const auditFeature: ConsoleFeature = {
  controllers: [AuditController],
  providers: [AuditService],
  stores: [AuditChainStore, AuditLog]
}
