import { Module, type DynamicModule } from '@nestjs/common'
import { CallerAuthentication, CallerLimits, roleDatabase, storesOf } from '@app/platform'
import {
  CaStore,
  CertificateStore,
  PrincipalStore,
  RoleStore,
  SessionStore,
  type ConnectionSettings
} from '@app/storage'
import { accountCertificatesFeature } from './account-certificates/account-certificates.feature.js'
import { archivedKeysFeature } from './archived-keys/archived-keys.feature.js'
import { auditFeature } from './audit/audit.feature.js'
import { NamedObjects } from './access/named-objects.js'
import { OperatorGuard } from './access/operator.guard.js'
import { OperatorAuthentication } from './access/operator-authentication.js'
import { certificatesFeature } from './certificates/certificates.feature.js'
import type { ConsoleFeature } from './console-feature.js'
import { clientsFeature } from './registration/clients.feature.js'
import { directoryImportFeature } from './directory-import/directory-import.feature.js'
import { directoryFeature } from './directory/directory.feature.js'
import { enrollmentRightsFeature } from './enrollment-rights/enrollment-rights.feature.js'
import { healthFeature } from './health/health.feature.js'
import { invitationsFeature } from './invitations/invitations.feature.js'
import { keyDrillsFeature } from './key-drills/key-drills.feature.js'
import { keyImportsFeature } from './key-imports/key-imports.feature.js'
import { keyRetentionFeature } from './key-retention/key-retention.feature.js'
import { ldapFeature } from './ldap/ldap.feature.js'
import { operatorsFeature } from './operators/operators.feature.js'
import { queueFeature } from './queue/queue.feature.js'
import { recoveryAgentsFeature } from './recovery-agents/recovery-agents.feature.js'
import { resealsFeature } from './reseals/reseals.feature.js'
import { recoveriesFeature } from './recoveries/recoveries.feature.js'
import { sessionFeature } from './session/session.feature.js'
import { templatesFeature } from './templates/templates.feature.js'
import { webhooksFeature } from './webhooks/webhooks.feature.js'

/** What every feature builds on: who calls, and what the caller may do. */
const access: ConsoleFeature = {
  controllers: [],
  providers: [CallerAuthentication, CallerLimits, NamedObjects, OperatorAuthentication, OperatorGuard],
  stores: [CaStore, CertificateStore, PrincipalStore, RoleStore, SessionStore]
}

/** One line for each feature folder. */
const features: readonly ConsoleFeature[] = [
  access,
  accountCertificatesFeature,
  archivedKeysFeature,
  auditFeature,
  certificatesFeature,
  clientsFeature,
  operatorsFeature,
  queueFeature,
  recoveriesFeature,
  invitationsFeature,
  keyDrillsFeature,
  keyImportsFeature,
  keyRetentionFeature,
  sessionFeature,
  directoryImportFeature,
  ldapFeature,
  directoryFeature,
  enrollmentRightsFeature,
  templatesFeature,
  recoveryAgentsFeature,
  resealsFeature,
  healthFeature,
  webhooksFeature
]

/** The role that operators talk to. Its only key is that of its TLS listener. */
@Module({})
export class ConsoleModule {
  /** @param database how the role `console` connects */
  static register(database: ConnectionSettings): DynamicModule {
    const stores = [...new Set(features.flatMap(feature => feature.stores))]
    return {
      module: ConsoleModule,
      imports: [roleDatabase('console', database)],
      controllers: features.flatMap(({ controllers }) => [...controllers]),
      providers: [...storesOf('console', stores), ...features.flatMap(({ providers }) => [...providers])]
    }
  }
}
