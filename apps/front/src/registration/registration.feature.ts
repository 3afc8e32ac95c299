import { RegistrationStore, SiteStore } from '@app/storage'
import { ClientEnrollment } from './client-enrollment.js'
import { ClientTrust } from './client-trust.js'
import { CrlSource } from './crl-source.js'
import { LegacyWireController } from './legacy-wire.controller.js'
import { ManagementPoint } from './management-point.js'
import { MessageChecks } from './message-checks.js'
import { RegistrationController } from './registration.controller.js'
import { RegistrationEdge } from './registration-edge.js'
import { RegistrationLoad } from './registration-load.js'
import { RegistrationService } from './registration.service.js'

/** What client registration brings into the front, where it is on. */
export const registrationControllers = [RegistrationController, LegacyWireController]

export const registrationProviders = [
  ClientEnrollment,
  ClientTrust,
  CrlSource,
  ManagementPoint,
  MessageChecks,
  RegistrationEdge,
  RegistrationLoad,
  RegistrationService
]

export const registrationStores = [RegistrationStore, SiteStore]
