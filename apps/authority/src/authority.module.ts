import { Module, type DynamicModule } from '@nestjs/common'
import type { KeyStore } from '@app/keys'
import { KEY_STORE, roleDatabase, storesOf } from '@app/platform'
import {
  AgentScopeStore,
  AgentStore,
  ArchivedKeyStore,
  AuditChainStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  DecisionStore,
  ExchangeKeyStore,
  PrincipalStore,
  RecoveryPackageStore,
  RequestStore,
  ResponseStore,
  RevocationAnswerStore,
  RevocationStore,
  SelfIssuedStore,
  TemplateStore,
  type ConnectionSettings
} from '@app/storage'
import { AuditSteps } from './audit-steps.js'
import { AuditChain } from './audit/audit-chain.service.js'
import { AuditKeys } from './audit/audit-keys.js'
import { CheckpointArchive } from './audit/checkpoint-archive.js'
import { PipelineSteps } from './pipeline-steps.js'
import { PublicationSteps } from './publication-steps.js'
import { CaRegistry } from './ca/ca-registry.js'
import { CrlService } from './crl/crl.service.js'
import { CrlSigner } from './crl/crl-signer.js'
import { EndorsementFacts } from './evaluate/endorsement-facts.js'
import { EvaluateService } from './evaluate/evaluate.service.js'
import { InternalRequests } from './evaluate/internal-requests.js'
import { PolicyFacts } from './evaluate/policy-facts.js'
import { ExpireService } from './expire/expire.service.js'
import { ExchangeRequests } from './exchange/exchange-requests.js'
import { Completion } from './issue/completion.js'
import { IssueService } from './issue/issue.service.js'
import { OrderPreparation } from './issue/order-preparation.js'
import { PackageSigner } from './recover/package-signer.service.js'
import { FullResponseFactory } from './respond/full-response-factory.js'
import { RevocationAcknowledgement } from './respond/revocation-acknowledgement.js'
import { RespondService } from './respond/respond.service.js'

const stores = [
  AgentScopeStore,
  AgentStore,
  ArchivedKeyStore,
  AuditChainStore,
  AuditLog,
  CaStore,
  CertificateStore,
  CrlStore,
  DecisionStore,
  ExchangeKeyStore,
  PrincipalStore,
  RecoveryPackageStore,
  RequestStore,
  ResponseStore,
  RevocationAnswerStore,
  RevocationStore,
  SelfIssuedStore,
  TemplateStore
]

/** The role that holds the CA keys: it decides, signs and publishes, and serves nothing but its queues. */
@Module({})
export class AuthorityModule {
  /** @param database how the role `authority` connects; `keys` holds the CA keys */
  static register(database: ConnectionSettings, keys: KeyStore): DynamicModule {
    return {
      module: AuthorityModule,
      imports: [roleDatabase('authority', database)],
      providers: [
        ...storesOf('authority', stores),
        { provide: KEY_STORE, useValue: keys },
        AuditSteps,
        AuditChain,
        AuditKeys,
        CheckpointArchive,
        PipelineSteps,
        PublicationSteps,
        CaRegistry,
        Completion,
        CrlService,
        CrlSigner,
        EndorsementFacts,
        EvaluateService,
        ExchangeRequests,
        ExpireService,
        FullResponseFactory,
        InternalRequests,
        IssueService,
        OrderPreparation,
        PackageSigner,
        PolicyFacts,
        RespondService,
        RevocationAcknowledgement
      ]
    }
  }
}
