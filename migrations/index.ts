import { CreateAuthorities1795219200000 } from './1795219200000-create-authorities.js'
import { CreatePrincipals1795219201000 } from './1795219201000-create-principals.js'
import { CreateAuditLog1795219202000 } from './1795219202000-create-audit-log.js'
import { CreateRequests1795219203000 } from './1795219203000-create-requests.js'
import { CreateArchive1795219204000 } from './1795219204000-create-archive.js'
import { CreateCertificates1795219205000 } from './1795219205000-create-certificates.js'
import { GrantRoles1795219206000 } from './1795219206000-grant-roles.js'
import { CreateOperators1795230000000 } from './1795230000000-create-operators.js'
import { CreateEnrollmentRights1795230001000 } from './1795230001000-create-enrollment-rights.js'
import { CreateGroups1795230002000 } from './1795230002000-create-groups.js'
import { IndexAccountNames1795230003000 } from './1795230003000-index-account-names.js'
import { IndexDirectorySearch1795230004000 } from './1795230004000-index-directory-search.js'
import { RecordDecisions1795230100000 } from './1795230100000-record-decisions.js'
import { GuardDecisions1795230101000 } from './1795230101000-guard-decisions.js'
import { GuardTemplates1795230200000 } from './1795230200000-guard-templates.js'
import { AddCallers1795230300000 } from './1795230300000-add-callers.js'
import { CreateRevocationAnswers1795230301000 } from './1795230301000-create-revocation-answers.js'
import { LetCallersWithdraw1795230302000 } from './1795230302000-let-callers-withdraw.js'
import { RecordRevocations1795230400000 } from './1795230400000-record-revocations.js'
import { RenewAuthorities1795230500000 } from './1795230500000-renew-authorities.js'
import { ChainAuditLog1795230600000 } from './1795230600000-chain-audit-log.js'
import { IndexAuditLog1795230601000 } from './1795230601000-index-audit-log.js'
import { CreateWebhooks1795230700000 } from './1795230700000-create-webhooks.js'
import { NarrowCertificateInsertion1795230800000 } from './1795230800000-narrow-certificate-insertion.js'
import { IndexChangesOfKeys1795230801000 } from './1795230801000-index-changes-of-keys.js'
import { RecordRecoveries1795231000000 } from './1795231000000-record-recoveries.js'
import { GuardRecoveries1795231001000 } from './1795231001000-guard-recoveries.js'
import { TellOfRecoveries1795231002000 } from './1795231002000-tell-of-recoveries.js'
import { GroupSealedKeys1795231100000 } from './1795231100000-group-sealed-keys.js'
import { CreateReseals1795231101000 } from './1795231101000-create-reseals.js'
import { DistinguishSealedKeys1795231200000 } from './1795231200000-distinguish-sealed-keys.js'
import { ImportArchivedKeys1795231201000 } from './1795231201000-import-archived-keys.js'
import { PurgeArchivedKeys1795231202000 } from './1795231202000-purge-archived-keys.js'
import { RecordDrills1795231203000 } from './1795231203000-record-drills.js'
import { PurgeResealedKeys1795231204000 } from './1795231204000-purge-resealed-keys.js'
import { ListArchivedCertificates1795231290000 } from './1795231290000-list-archived-certificates.js'
import { CreateRegistrations1795231400000 } from './1795231400000-create-registrations.js'
import { CompleteRegistrations1795231401000 } from './1795231401000-complete-registrations.js'
import { RegisterCertificates1795231600000 } from './1795231600000-register-certificates.js'
import { QueueMessages1795231700000 } from './1795231700000-queue-messages.js'
import { PublishCertificates1795231800000 } from './1795231800000-publish-certificates.js'
import { IndexAccountMappings1795231801000 } from './1795231801000-index-account-mappings.js'
import { TakeForeignCertificates1795231802000 } from './1795231802000-take-foreign-certificates.js'
import { ReadLdap1795231803000 } from './1795231803000-read-ldap.js'
import { HoldSecurityContexts1795231810000 } from './1795231810000-hold-security-contexts.js'
import { CountMessageBytes1795231811000 } from './1795231811000-count-message-bytes.js'
import { KeepSentMessages1795231812000 } from './1795231812000-keep-sent-messages.js'
import { QueueCalls1795231820000 } from './1795231820000-queue-calls.js'
import { CheckReferencesTogether1795231830000 } from './1795231830000-check-references-together.js'
import { MendPurges1795231840000 } from './1795231840000-mend-purges.js'
import { CountNoRevokedAgents1795231841000 } from './1795231841000-count-no-revoked-agents.js'
import { MendReseals1795231842000 } from './1795231842000-mend-reseals.js'
import { IndexQueuesOfMessages1795231843000 } from './1795231843000-index-queues-of-messages.js'
import { TellOfFailedDrills1795231844000 } from './1795231844000-tell-of-failed-drills.js'
import { SealToNoRevokedAgents1795231870000 } from './1795231870000-seal-to-no-revoked-agents.js'
import { FindClientsByName1795231871000 } from './1795231871000-find-clients-by-name.js'

/** Every migration, in the order in which they are applied. A class's static name is its entry in the database. */
export const migrations = [
  CreateAuthorities1795219200000,
  CreatePrincipals1795219201000,
  CreateAuditLog1795219202000,
  CreateRequests1795219203000,
  CreateArchive1795219204000,
  CreateCertificates1795219205000,
  GrantRoles1795219206000,
  CreateOperators1795230000000,
  CreateEnrollmentRights1795230001000,
  CreateGroups1795230002000,
  IndexAccountNames1795230003000,
  IndexDirectorySearch1795230004000,
  RecordDecisions1795230100000,
  GuardDecisions1795230101000,
  GuardTemplates1795230200000,
  AddCallers1795230300000,
  CreateRevocationAnswers1795230301000,
  LetCallersWithdraw1795230302000,
  RecordRevocations1795230400000,
  RenewAuthorities1795230500000,
  ChainAuditLog1795230600000,
  IndexAuditLog1795230601000,
  CreateWebhooks1795230700000,
  NarrowCertificateInsertion1795230800000,
  IndexChangesOfKeys1795230801000,
  RecordRecoveries1795231000000,
  GuardRecoveries1795231001000,
  TellOfRecoveries1795231002000,
  GroupSealedKeys1795231100000,
  CreateReseals1795231101000,
  DistinguishSealedKeys1795231200000,
  ImportArchivedKeys1795231201000,
  PurgeArchivedKeys1795231202000,
  RecordDrills1795231203000,
  PurgeResealedKeys1795231204000,
  ListArchivedCertificates1795231290000,
  CreateRegistrations1795231400000,
  CompleteRegistrations1795231401000,
  RegisterCertificates1795231600000,
  QueueMessages1795231700000,
  PublishCertificates1795231800000,
  IndexAccountMappings1795231801000,
  TakeForeignCertificates1795231802000,
  ReadLdap1795231803000,
  HoldSecurityContexts1795231810000,
  CountMessageBytes1795231811000,
  KeepSentMessages1795231812000,
  QueueCalls1795231820000,
  CheckReferencesTogether1795231830000,
  MendPurges1795231840000,
  CountNoRevokedAgents1795231841000,
  MendReseals1795231842000,
  IndexQueuesOfMessages1795231843000,
  TellOfFailedDrills1795231844000,
  SealToNoRevokedAgents1795231870000,
  FindClientsByName1795231871000
] as const
