export * from './embedded-postgres/launcher.js'
