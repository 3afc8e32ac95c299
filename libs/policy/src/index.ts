export * from './requester.js'
export * from './request-to-judge.js'
export * from './certificate-names.js'
export * from './decide.js'
