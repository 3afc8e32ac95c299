import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const count = 64
const file = join(outputDirectory(), 'subscriber-keys.pem')

/**
 * RSA-2048 keys to ask certificates for. Making one costs as much as a dozen enrollments, so they are made once and
 * kept; nothing else uses them.
 */
export function subscriberKeys(): readonly KeyObject[] {
  if (!existsSync(file)) {
    const keys = Array.from({ length: count }, () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
    const pem = keys.map(key => key.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(file, pem.join(''), { mode: 0o600 })
  }
  const blocks = readFileSync(file, 'latin1').match(/-----BEGIN [^]+?-----END PRIVATE KEY-----/g) ?? []
  return blocks.map(block => createPrivateKey(block))
}

/** `bench/out` beside the sources, made when missing; git leaves it alone. */
export function outputDirectory(): string {
  const directory = join(benchDirectory(), 'out')
  mkdirSync(directory, { recursive: true })
  return directory
}

/** `bench` beside the sources: this file runs compiled, from `dist/bench`. */
export function benchDirectory(): string {
  let root = import.meta.dirname
  while (!existsSync(join(root, 'package.json'))) root = dirname(root)
  return join(root, 'bench')
}
