export * from './client-chain.js'
export * from './json-form.js'
export * from './management-point.js'
export * from './legacy-wire.js'
export * from './message-signature.js'
export * from './registration-request.js'
export * from './registration-response.js'
export * from './registration-rules.js'
export * from './registration-state.js'
export * from './request-builder.js'
export * from './retry-after.js'
export * from './signed-reply.js'
export * from './smsid.js'
export {
  escapeXml,
  invalid as schemaError,
  parseXmlDocument,
  XML_LIMITS,
  type XmlElement,
  type XmlLimits
} from './xml-document.js'
