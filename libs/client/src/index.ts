export type { ContentEncryptionName, KeyTransport } from '@app/cms'
export { AppError, isAppError, type Clock, type Entropy, type ErrorCode } from '@app/core'
export { MQCERT_REGISTER, type RegistrationCode } from '@app/directory'
export { KEY_SPECS, type KeySpec } from '@app/keys'
export {
  ACKNOWLEDGE,
  AUTHN_LEVEL,
  DELIVERY,
  JOURNAL,
  defineCallInterface,
  MESSAGE_CLASS,
  NCADG_MQ,
  RPC_C_AUTHN_LEVEL,
  RPC_C_AUTHN_MQ,
  RPC_C_MQ,
  RPC_C_OPT_MQ,
  SUBMIT_ENDPOINT,
  SUBMIT_INTERFACE,
  type AcceptedMessage,
  type CallInterface,
  type CallOperations,
  type EndpointFlag,
  type MessageClass,
  type MessageLevel,
  type MessageSigner
} from '@app/messaging'
export { openArchivedKeyBlob, privateKeyInBlob, unwrapSealedKey, type OpenedKeyBlob } from './archived-key-blob.js'
export { listAuthorities, type Authority, type OfferedTemplate } from './authorities.js'
export { fetchTrustedRoot } from './bootstrap.js'
export * from './calls/index.js'
export {
  CertRequest,
  type CertRequestSettings,
  type PropertyValue,
  type RequestStatus,
  type SubmitOptions
} from './cert-request.js'
export {
  CertificateDirectory,
  type CertificateDirectorySettings,
  type MailCertificate,
  type RegisteredCertificate,
  type RegisterOptions,
  type Registration
} from './certificate-directory.js'
export { verifyChain } from './chain.js'
export { checkServerName } from './server-name.js'
export * from './console/archived-keys.js'
export * from './console/audit.js'
export { Console } from './console/console.js'
export * from './console/certificates.js'
export * from './console/clients.js'
export * from './console/crls.js'
export * from './console/directory.js'
export * from './console/enrollment-rights.js'
export * from './console/health.js'
export * from './console/invitations.js'
export * from './console/key-drills.js'
export * from './console/key-imports.js'
export * from './console/key-purges.js'
export * from './console/key-retention.js'
export * from './console/operators.js'
export * from './console/queue.js'
export * from './console/recoveries.js'
export * from './console/recovery-agents.js'
export * from './console/reseals.js'
export * from './console/reseal-work.js'
export * from './console/templates.js'
export * from './console/session.js'
export * from './console/site.js'
export { allItems, everyItem, type ListPage, type PageOptions } from './console/page.js'
export * from './constants.js'
export { Enrollment, type AcceptedCertificate, type EnrollmentSettings, type ExportedPending } from './enrollment.js'
export { certificatesIn, type CertificateInput } from './exchange-certificate.js'
export { importArchivedKey, KeyImporter, type ArchivedKeyImport } from './import-archived-key.js'
export {
  installPem,
  installPkcs12,
  makeDirectory,
  type Installable,
  type PemInstallation,
  type PemPaths
} from './installation.js'
export * from './held-contexts.js'
export * from './message-queues.js'
export type * from './message-queue-types.js'
export {
  findSubmission,
  loadPending,
  pendingFilesIn,
  readPendingRequest,
  removePending,
  savePending,
  saveSubmission,
  type PendingFiles,
  type Submission
} from './pending-directory.js'
export type { PendingEnrollment } from './pending-enrollment.js'
export { PersonalStore, type PersonalStoreOptions, type StoredIdentity } from './personal-store.js'
export { buildPkcs12, type Pkcs12Contents } from './pkcs12.js'
export type { Pkcs12Profile } from './pkcs12-profile.js'
export { readPkcs12, type Pkcs12Identity } from './pkcs12-reader.js'
export { decodePrivateKey, encodePrivateKeyPem } from './private-key-pem.js'
export { verifyRecoveryPackage } from './recovery-acceptance.js'
export { makeRecoveryRecipient, type RecipientOptions, type RecoveryRecipient } from './recovery-recipient.js'
export * from './registration/index.js'
export {
  templateOfCertificate,
  type RequestOptions,
  type RequestType,
  type SigningIdentity
} from './request-creation.js'
export { SecurityContexts, type SecurityContext, type SecurityContextSettings } from './security-context.js'
export { parseSubjectAltName } from './subject-alt-name.js'
export { Transport, type ConnectionSettings, type Credentials } from './transport.js'
