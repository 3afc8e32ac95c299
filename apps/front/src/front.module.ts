import { Module, type DynamicModule } from '@nestjs/common'
import type { KeyStore, PassphraseSource } from '@app/keys'
import { CallerAuthentication, CallerLimits, KEY_STORE, roleDatabase, storesOf } from '@app/platform'
import {
  AgentStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  ExchangeKeyStore,
  ForeignCertificateStore,
  PrincipalStore,
  PublicationStore,
  RecoveryNoticeStore,
  RegisteredCertificateStore,
  RequestStore,
  ResponseStore,
  SelfIssuedStore,
  RevocationAnswerStore,
  RevocationStore,
  TemplateStore,
  WebhookStore,
  type ConnectionSettings
} from '@app/storage'
import { AuthoritiesController } from './authorities/authorities.controller.js'
import { AuthoritiesService } from './authorities/authorities.service.js'
import { CaProperties } from './authorities/ca-properties.js'
import { ExchangeCertificates } from './authorities/exchange-certificates.js'
import { CmcController } from './cmc/cmc.controller.js'
import { CmcRevocation } from './cmc/cmc-revocation.js'
import { CmcService } from './cmc/cmc.service.js'
import { contextControllers, contextProviders, contextStores } from './contexts/contexts.feature.js'
import { PASSPHRASE } from './contexts/message-keys.service.js'
import { DirectoryUsersController } from './directory/directory.controller.js'
import { InternalIssuance } from './directory/internal-issuance.js'
import { MailCertificatesController } from './directory/mail-certificates.controller.js'
import { MailCertificates } from './directory/mail-certificates.service.js'
import { RegisteredCertificates } from './directory/registered-certificates.service.js'
import { RegistrationService } from './directory/registration.service.js'
import { DistributionService } from './distribution/distribution.service.js'
import { EnrollmentController } from './enrollment/enrollment.controller.js'
import { EnrollmentService } from './enrollment/enrollment.service.js'
import { ErrorsController } from './enrollment/errors.controller.js'
import { FullResponses } from './enrollment/full-responses.js'
import { OwnRequests } from './enrollment/own-requests.js'
import { messagingControllers, messagingProviders, messagingStores } from './messaging/messaging.feature.js'
import { OcspService } from './ocsp/ocsp.service.js'
import { OcspSigners } from './ocsp/ocsp-signers.js'
import { TlsIdentity } from './listener/tls-identity.js'
import { RecoveryNoticesController } from './recovery-notices/recovery-notices.controller.js'
import { RecoveryNotices } from './recovery-notices/recovery-notices.service.js'
import { KeyBasedRenewal } from './requester/key-based-renewal.js'
import {
  registrationControllers,
  registrationProviders,
  registrationStores
} from './registration/registration.feature.js'
import { RequesterGuard } from './requester/requester.guard.js'
import { RequestParties } from './submission/request-parties.js'
import { SubmissionChecks } from './submission/submission-checks.js'
import { SubmissionService } from './submission/submission.service.js'
import { WebhookRecording } from './webhooks/webhook-recording.js'

const stores = [
  ...contextStores,
  ...messagingStores,
  AgentStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  ExchangeKeyStore,
  ForeignCertificateStore,
  PrincipalStore,
  PublicationStore,
  RecoveryNoticeStore,
  RegisteredCertificateStore,
  RequestStore,
  ResponseStore,
  SelfIssuedStore,
  RevocationAnswerStore,
  RevocationStore,
  TemplateStore,
  WebhookStore
]

/** What the role has keys by. */
export interface FrontKeys {
  readonly keys: KeyStore
  readonly passphrase: PassphraseSource
}

/**
 * The role that takes requests and hands out answers. Its keys are those of its TLS listener, of its OCSP responders, of its
 * queue of requests, those that it holds for accounts to sign messages with and, where clients may register, of its management
 * point.
 */
@Module({})
export class FrontModule {
  /**
   * @param database how the role `front` connects
   * @param own its key store, and what opens the keys that it holds for accounts
   * @param isOpen whether clients may register
   */
  static register(database: ConnectionSettings, { keys, passphrase }: FrontKeys, isOpen: boolean): DynamicModule {
    return {
      module: FrontModule,
      imports: [roleDatabase('front', database)],
      controllers: [
        AuthoritiesController,
        EnrollmentController,
        CmcController,
        DirectoryUsersController,
        MailCertificatesController,
        ErrorsController,
        RecoveryNoticesController,
        ...contextControllers,
        ...messagingControllers,
        ...(isOpen ? registrationControllers : [])
      ],
      providers: [
        ...storesOf('front', isOpen ? [...stores, ...registrationStores] : stores),
        ...(isOpen ? registrationProviders : []),
        { provide: KEY_STORE, useValue: keys },
        ...contextProviders,
        { provide: PASSPHRASE, useValue: passphrase },
        ...messagingProviders,
        AuthoritiesService,
        CallerAuthentication,
        CallerLimits,
        CaProperties,
        CmcRevocation,
        CmcService,
        DistributionService,
        EnrollmentService,
        ExchangeCertificates,
        FullResponses,
        InternalIssuance,
        KeyBasedRenewal,
        MailCertificates,
        OcspService,
        OcspSigners,
        OwnRequests,
        RecoveryNotices,
        RequestParties,
        RegisteredCertificates,
        RegistrationService,
        RequesterGuard,
        SubmissionChecks,
        SubmissionService,
        TlsIdentity,
        WebhookRecording
      ]
    }
  }
}
