export * from './audit-action.js'
export * from './audit-hash.js'
export * from './chain-verifier.js'
export * from './checkpoint.js'
