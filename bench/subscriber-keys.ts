import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A kind of key that certificates are asked for. */
export type SubscriberKey = 'rsa-2048' | 'rsa-3072' | 'p-256'

/** Of each kind at least one for each account; a multiple of their number. */
const counts = { 'rsa-2048': 64, 'rsa-3072': 16, 'p-256': 64 } as const satisfies Record<SubscriberKey, number>

/**
 * Keys to ask certificates for. Making one costs as much as a dozen enrollments, so they are made once and kept; nothing
 * else uses them.
 */
export function subscriberKeys(kind: SubscriberKey = 'rsa-2048'): readonly KeyObject[] {
  const file = join(outputDirectory(), kind === 'rsa-2048' ? 'subscriber-keys.pem' : `subscriber-keys-${kind}.pem`)
  if (!existsSync(file)) {
    const keys = Array.from({ length: counts[kind] }, () => makeSubscriberKey(kind))
    const pem = keys.map(key => key.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(file, pem.join(''), { mode: 0o600 })
  }
  const blocks = readFileSync(file, 'latin1').match(/-----BEGIN [^]+?-----END PRIVATE KEY-----/g) ?? []
  return blocks.map(block => createPrivateKey(block))
}

/** A new key of a kind. */
export function makeSubscriberKey(kind: SubscriberKey): KeyObject {
  return kind === 'p-256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) }).privateKey
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
