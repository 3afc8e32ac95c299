export { syncDirectory, writeNewFile } from './new-file.js'
export { readSecretFile } from './secret-file.js'
