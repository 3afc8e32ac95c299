import {
  ArchivedKeyStore,
  AuditLog,
  CaStore,
  CertificateStore,
  PrincipalStore,
  RecoveryStore,
  RoleStore
} from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { PreparedRecoveries } from './prepared-recoveries.js'
import { RecoveriesController } from './recoveries.controller.js'
import { RecoveryAccess } from './recovery-access.js'
import { RecoveryApprovals } from './recovery-approvals.service.js'
import { RecoveryApprovers } from './recovery-approvers.js'
import { RecoveryCertificates } from './recovery-certificates.js'
import { RecoveryDelivery } from './recovery-delivery.service.js'
import { RecoveryRelease } from './recovery-release.service.js'
import { RecoveryRequests } from './recovery-requests.service.js'

/** Recoveries of archived keys. */
export const recoveriesFeature: ConsoleFeature = {
  controllers: [RecoveriesController],
  providers: [
    PreparedRecoveries,
    RecoveryAccess,
    RecoveryApprovals,
    RecoveryApprovers,
    RecoveryCertificates,
    RecoveryDelivery,
    RecoveryRelease,
    RecoveryRequests
  ],
  stores: [ArchivedKeyStore, AuditLog, CaStore, CertificateStore, PrincipalStore, RecoveryStore, RoleStore]
}
