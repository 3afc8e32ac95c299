export * from './access-extension.js'
export * from './algorithm.js'
export * from './attribute.js'
export * from './certificate.js'
export * from './crl.js'
export * from './crl-entry-list.js'
export * from './extension.js'
export * from './general-name.js'
export * from './identifier-extension.js'
export * from './microsoft-extension.js'
export * from './name.js'
export * from './name-attribute.js'
export * from './name-text.js'
export * from './ocsp-cert-id.js'
export {
  decodeOcspRequest,
  encodeOcspRequest,
  OCSP_LIMITS,
  ocspNonceExtension,
  type OcspRequest
} from './ocsp-request.js'
export * from './ocsp-response.js'
export * from './pkcs10.js'
export * from './public-key.js'
export * from './certification-path.js'
export * from './signature.js'
export * from './usage-extension.js'
