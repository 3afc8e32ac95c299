export {
  decodeContentEncryption,
  decryptBeginning,
  encodeContentEncryption,
  keyLengthOf,
  type CbcName,
  type ContentEncryption,
  type ContentEncryptionName,
  type GcmName
} from './content-encryption.js'
export { decodeContentInfo, encodeContentInfo, type ContentInfo } from './content-info.js'
export * from './enveloped-data.js'
export * from './enveloped-data-builder.js'
export * from './enveloped-data-opening.js'
export * from './identifier.js'
export * from './key-transport.js'
export { findSingleValue, getSingleValue, type ProtectedAttributes } from './protected-attributes.js'
export * from './recipient-infos.js'
export * from './signed-data.js'
export * from './signed-data-builder.js'
export * from './signed-data-verification.js'
export * from './unsigned-attributes.js'
