import { InvalidArgumentError } from 'commander'
import type { KeySpec } from '@app/keys'

/** The kinds of key a CA may have. */
export const KEY_KINDS: readonly KeySpec[] = ['rsa-2048', 'rsa-3072', 'rsa-4096', 'p-256', 'p-384', 'p-521', 'ed25519']

/** A kind of key by its name. */
export function parseKeySpec(text: string): KeySpec {
  const found = KEY_KINDS.find(spec => spec === text)
  if (found === undefined) throw new InvalidArgumentError(`one of ${KEY_KINDS.join(', ')}`)
  return found
}

/** A whole number from 1 to 999,999,999. */
export function parsePositive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a positive number')
  return Number(text)
}

/** The kind of an account. */
export function parseKind(text: string): 'user' | 'computer' {
  if (text === 'user' || text === 'computer') return text
  throw new InvalidArgumentError('user or computer')
}
