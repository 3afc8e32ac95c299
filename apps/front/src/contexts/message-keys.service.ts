import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError, toBase64, type Clock } from '@app/core'
import { DerReader, encodeSequence } from '@app/der'
import { domainOfSid } from '@app/directory'
import { createFileKeyStore, type KeyStore, type PassphraseSource, type Signer } from '@app/keys'
import type { HeldKey } from '@app/messaging'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { MessageKeyStore, type MessageKeyRow, type PrincipalRow } from '@app/storage'
import { buildCertificationRequest } from '@app/x509'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import type { KeyBody, KeyView, NewKeyView } from './contexts.schemas.js'

/** The injection token of what opens the keys that this installation keeps, a {@link PassphraseSource}. */
export const PASSPHRASE = Symbol('Passphrase')

/** The machine whose internal certificates the server has the keys of. */
const SERVER_MACHINE = 'c0ffee00-6d71-4b65-8f00-5e72766572aa'

/** The numbers of an ECDSA signature over P-256, in octets. */
const P256_OCTETS = 32

/**
 * The keys that the server holds for accounts: made here, sealed by the same key store as those of CAs, with a table in
 * the place of a directory, and never shown. What leaves is a PKCS#10.
 */
@Injectable()
export class MessageKeys {
  private readonly store: KeyStore
  /** Key files that are sealed and not in the table yet, by their names. */
  private readonly unwritten = new Map<string, Uint8Array>()

  constructor(
    private readonly keys: MessageKeyStore,
    @Inject(PASSPHRASE) passphrase: PassphraseSource,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {
    const files = {
      read: async (name: string) => this.unwritten.get(name) ?? (await keys.findSealed(name)),
      write: (name: string, bytes: Uint8Array) => {
        this.unwritten.set(name, bytes)
        return Promise.resolve()
      },
      remove: () => Promise.reject(new AppError('internal', 'A key of an account leaves with its row alone.'))
    }
    this.store = createFileKeyStore({ files, passphrase })
  }

  /**
   * Makes a P-256 key for the caller. Throws `MQ_ERROR_COULD_NOT_GET_USER_SID` for an account of no domain,
   * `MQ_ERROR_INSUFFICIENT_RESOURCES` when it has too many.
   */
  async make({ kind }: KeyBody, requester: AuthenticatedRequester): Promise<NewKeyView> {
    requireScope(requester, 'enroll')
    const { id: principalId } = requireDomainSid(requester.principal, requester.name)
    const { reference, publicKey } = await this.store.generate('p-256', 'message')
    try {
      const signer = await this.store.signer(reference)
      const parts = { subject: encodeSequence(), publicKey: publicKey.raw, attributes: [] }
      const csr = await buildCertificationRequest(parts, signer.scheme, info => signer.sign(info))
      const sealedKey = this.unwritten.get(reference) ?? new Uint8Array()
      const row = { id: randomUUID(), principalId, kind, publicKey: publicKey.raw, reference, sealedKey }
      const key = { ...row, createdAt: this.clock.now() }
      await this.keys.add(key, this.config.messaging.keysPerAccount, { actor: requester.name })
      return { ...viewOf(key), csr: toBase64(csr), ...(kind === 'internal' ? { machineId: SERVER_MACHINE } : {}) }
    } finally {
      this.unwritten.delete(reference)
    }
  }

  /** The caller's. */
  async list({ principal }: AuthenticatedRequester): Promise<{ readonly items: KeyView[] }> {
    return { items: (await this.keys.list(principal.id)).map(viewOf) }
  }

  /** Destroys one of the caller's, and with it the contexts that sign with it. Throws `not_found`. */
  async destroy(id: string, requester: AuthenticatedRequester): Promise<void> {
    requireScope(requester, 'enroll')
    const because = { actor: requester.name }
    if (await this.keys.remove(requester.principal.id, id, because, this.clock.now())) return
    throw new AppError('not_found', `The server holds no key ${id} of yours.`, { id })
  }

  /**
   * Opens a key, to sign messages. Throws `MQ_ERROR_CORRUPTED_SECURITY_DATA` when what is sealed is damaged, or is not
   * the key that it was; `not_found` when it is gone.
   */
  async open(reference: string): Promise<HeldKey> {
    let signer: Signer
    try {
      signer = await this.store.signer(reference)
    } catch (cause) {
      if (!isAppError(cause) || !['key_store_invalid', 'key_store_locked'].includes(cause.code)) throw cause
      throw new AppError(
        'MQ_ERROR_CORRUPTED_SECURITY_DATA',
        'A key that the server holds cannot be opened.',
        {},
        { cause }
      )
    }
    return { algorithm: 'ES256', sign: async input => joinSignature(await signer.sign(input)) }
  }
}

/** The account, which must be of a domain. Throws `MQ_ERROR_COULD_NOT_GET_USER_SID`. */
export function requireDomainSid(principal: PrincipalRow, name: string): PrincipalRow {
  if (domainOfSid(principal.sid) !== undefined) return principal
  throw new AppError('MQ_ERROR_COULD_NOT_GET_USER_SID', `${name} has no SID of a domain.`)
}

function viewOf({
  id,
  kind,
  publicKey,
  createdAt
}: Omit<MessageKeyRow, 'publicKey'> & { readonly publicKey: Uint8Array }): KeyView {
  return { id, kind, publicKey: toBase64(publicKey), createdAt: createdAt.toISOString() }
}

/** The two numbers of an ECDSA-Sig-Value, one after the other (RFC 7518, 3.4). */
function joinSignature(der: Uint8Array): Uint8Array {
  const numbers = DerReader.over(der).sequence('ECDSA-Sig-Value')
  return Buffer.from(
    [numbers.integer('r'), numbers.integer('s')]
      .map(value => value.toString(16).padStart(2 * P256_OCTETS, '0'))
      .join(''),
    'hex'
  )
}
