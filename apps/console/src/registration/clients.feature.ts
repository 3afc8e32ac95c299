import {
  CaStore,
  CertificateSearch,
  CertificateStore,
  ClientStore,
  GroupStore,
  PrincipalStore,
  RegistrationDecisionStore,
  RevocationStore,
  SiteStore
} from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { ClientAccounts } from './client-accounts.js'
import { ClientCertificates } from './client-certificates.js'
import { ClientsController } from './clients.controller.js'
import { ClientsService } from './clients.service.js'
import { ConflictResolution } from './conflict-resolution.js'
import { RegistrationDecisions } from './registration-decisions.js'
import { SiteController } from './site.controller.js'
import { SiteService } from './site.service.js'

/** Clients that register, and the site that they register with. */
export const clientsFeature: ConsoleFeature = {
  controllers: [ClientsController, SiteController],
  providers: [
    ClientAccounts,
    ClientCertificates,
    ClientsService,
    ConflictResolution,
    RegistrationDecisions,
    SiteService
  ],
  stores: [
    CaStore,
    CertificateSearch,
    CertificateStore,
    ClientStore,
    GroupStore,
    PrincipalStore,
    RegistrationDecisionStore,
    RevocationStore,
    SiteStore
  ]
}
