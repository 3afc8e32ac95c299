export * from './requester.js'
export * from './request-facts.js'
export * from './certificate-names.js'
export * from './decide.js'
