import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { PublicKeyInfo } from '@app/x509'
import { publicHalfOf } from './key-half.js'

const generate = promisify(generateKeyPair)

/** The kinds of key that are made here: RSA with e = 65537, the NIST curves of FIPS 186-5, and Ed25519 (RFC 8032). */
export const KEY_SPECS = ['rsa-2048', 'rsa-3072', 'rsa-4096', 'p-256', 'p-384', 'p-521', 'ed25519'] as const

/** One of {@link KEY_SPECS}. */
export type KeySpec = (typeof KEY_SPECS)[number]

/** A private key in this process's memory, with its public half. */
export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKeyInfo
}

/**
 * A fresh key pair from node:crypto's own generator, made on the thread pool: RSA takes 50 to 500 ms there and leaves
 * the event loop free.
 */
export async function generateKeyPairOf(spec: KeySpec): Promise<KeyPair> {
  const { privateKey } = await generatePrivate(spec)
  return { privateKey, publicKey: publicHalfOf(privateKey) }
}

function generatePrivate(spec: KeySpec): Promise<{ privateKey: KeyObject }> {
  switch (spec) {
    case 'rsa-2048':
    case 'rsa-3072':
    case 'rsa-4096':
      return generate('rsa', { modulusLength: Number(spec.slice(4)), publicExponent: 65_537 })
    case 'p-256':
    case 'p-384':
    case 'p-521':
      return generate('ec', { namedCurve: spec.toUpperCase() })
    case 'ed25519':
      return generate('ed25519', {})
  }
}
