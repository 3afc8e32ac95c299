import { Module, type DynamicModule } from '@nestjs/common'
import { CallerAuthentication, CallerLimits, roleDatabase, storesOf } from '@app/platform'
import {
  AgentStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  ExchangeKeyStore,
  PrincipalStore,
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
import { DistributionService } from './distribution/distribution.service.js'
import { EnrollmentController } from './enrollment/enrollment.controller.js'
import { EnrollmentService } from './enrollment/enrollment.service.js'
import { ErrorsController } from './enrollment/errors.controller.js'
import { FullResponses } from './enrollment/full-responses.js'
import { OwnRequests } from './enrollment/own-requests.js'
import { OcspService } from './ocsp/ocsp.service.js'
import { OcspSigners } from './ocsp/ocsp-signers.js'
import { TlsIdentity } from './listener/tls-identity.js'
import { KeyBasedRenewal } from './requester/key-based-renewal.js'
import { RequesterGuard } from './requester/requester.guard.js'
import { RequestParties } from './submission/request-parties.js'
import { SubmissionChecks } from './submission/submission-checks.js'
import { SubmissionService } from './submission/submission.service.js'
import { WebhookRecording } from './webhooks/webhook-recording.js'

const stores = [
  AgentStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  ExchangeKeyStore,
  PrincipalStore,
  RequestStore,
  ResponseStore,
  SelfIssuedStore,
  RevocationAnswerStore,
  RevocationStore,
  TemplateStore,
  WebhookStore
]

/** The role that takes requests and hands out answers. Its only key is that of its TLS listener. */
@Module({})
export class FrontModule {
  /** @param database how the role `front` connects */
  static register(database: ConnectionSettings): DynamicModule {
    return {
      module: FrontModule,
      imports: [roleDatabase('front', database)],
      controllers: [AuthoritiesController, EnrollmentController, CmcController, ErrorsController],
      providers: [
        ...storesOf('front', stores),
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
        KeyBasedRenewal,
        OcspService,
        OcspSigners,
        OwnRequests,
        RequestParties,
        RequesterGuard,
        SubmissionChecks,
        SubmissionService,
        TlsIdentity,
        WebhookRecording
      ]
    }
  }
}
