export {
  getAgentPart,
  replaceAgentPart,
  transferPart,
  verifyPart,
  type AgentPart,
  type PartTransfer
} from './agent-part.js'
export { archivedKeyRecipient, openArchivedKey, type ArchivedKeyOpening, type OpenedKey } from './archived-key.js'
export {
  decodeKeyBlob,
  encodeKeyBlobAsPkcs8,
  keyBlobToPkcs8,
  keyObjectOf,
  wipeKeyBlob,
  type EcKeyBlob,
  type KeyBlob,
  type KeyBlobFormat,
  type RsaKeyBlob
} from './key-blob.js'
export { encodeCapiPrivateKeyBlob, encodeCngEccBlob, encodePkcs8KeyBlob } from './key-blob-builder.js'
export {
  judgeAgentCertificate,
  judgeExchangeCertificate,
  keyRecoveryHashes,
  type CertificateFault,
  type CertificateJudgement
} from './key-certificate.js'
export { keyMismatch, verifyKeyObjectPair, verifyKeyPair } from './key-pair.js'
export type { EcKeyParts, RsaKeyParts } from './key-parts.js'
export { verifyKeyStrength, type StrengthDemand, type WeaknessReason } from './key-strength.js'
export { decodeRecoveryRecipient, verifyTransferredShare, type RecoveryRecipient } from './recovery-recipient.js'
export { openWithShares, transferShare, type ShareTransfer, type ThresholdOpening } from './recovery-share.js'
export {
  openSealedKey,
  sealToAgents,
  verifySealedKey,
  type SealedKeyOpening,
  type SealEncryption,
  type SealPlan
} from './sealed-key.js'
export { decodeThresholdSealedKey, isThresholdSealed, type ThresholdSealedKey } from './threshold-codec.js'
export {
  replaceShareEnvelope,
  sealToThreshold,
  verifyThresholdSealedKey,
  type ThresholdSealPlan
} from './threshold-seal.js'
