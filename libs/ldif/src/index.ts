export * from './entry.js'
export * from './decode-ldif.js'
export * from './encode-ldif.js'
