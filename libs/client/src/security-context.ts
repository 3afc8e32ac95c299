import { createPublicKey, sign, verify } from 'node:crypto'
import { AppError, equalBytes, isAppError, systemClock, toHex, type Clock } from '@app/core'
import { domainOfSid, userCertDigest } from '@app/directory'
import { heldKeyOf, signatureAlgorithmOf, type MessageSigner } from '@app/messaging'
import { decodeCertificate } from '@app/x509'
import type { PersonalStore, StoredIdentity } from './personal-store.js'
import { Transport, type ConnectionSettings } from './transport.js'

/** What {@link SecurityContexts} needs to know. */
export interface SecurityContextSettings extends ConnectionSettings {
  /** Has the caller's certificates and their keys. */
  readonly store: PersonalStore
  /** Contexts that may be held at once; 64 if absent. */
  readonly most?: number
  /** Seconds until a context ends by itself; eight hours if absent, and never beyond its certificate. */
  readonly lifetimeSeconds?: number
  readonly clock?: Clock
}

/** What messages are signed with. It shows whose it is, and neither the key nor anything that a receiver sees. */
export class SecurityContext implements Disposable {
  /** Made by {@link SecurityContexts.getSecurityContextEx} alone. */
  constructor(
    private readonly owner: SecurityContexts,
    readonly sid: string,
    readonly kind: 'internal' | 'external',
    /** MD5 of the certificate, hexadecimal, as the directory finds it by. */
    readonly digest: string,
    readonly expiresAt: Date
  ) {}

  /** As {@link SecurityContexts.freeSecurityContext}. */
  [Symbol.dispose](): void {
    this.owner.freeSecurityContext(this)
  }

  /** What may be shown of it. */
  toJSON(): object {
    const { sid, kind, digest, expiresAt } = this
    return { sid, kind, digest, expiresAt }
  }
}

interface OwnCertificates {
  readonly sid: string
  readonly items: readonly { readonly sha256: string; readonly digest: string }[]
}

/**
 * The security contexts of one account (MQGetSecurityContextEx): each holds a certificate, its key and the account's SID,
 * read once, to sign any number of messages. They are good for the object that made them, and for no other.
 */
export class SecurityContexts implements AsyncDisposable {
  private readonly transport: Transport
  private readonly clock: Clock
  private readonly signers = new Map<SecurityContext, MessageSigner>()

  constructor(private readonly settings: SecurityContextSettings) {
    this.transport = new Transport(settings)
    this.clock = settings.clock ?? systemClock
  }

  /**
   * A context of an external certificate of the caller's store, or of the internal one of this machine when none is given.
   * Throws `MQ_ERROR_INVALID_PARAMETER` for what is no certificate, `MQ_ERROR_INSUFFICIENT_RESOURCES` when there are too
   * many, `MQ_ERROR_COULD_NOT_GET_USER_SID` for an account of no domain, `MQ_ERROR_INVALID_CERTIFICATE` for one that is not
   * in the store with its key or outside of its validity, `MQ_ERROR_NO_INTERNAL_USER_CERT` when there is no internal one, it
   * is damaged or not registered, `MQ_ERROR_CORRUPTED_SECURITY_DATA` when its key cannot be opened or does not sign.
   */
  async getSecurityContextEx(options: { readonly certificate?: Uint8Array } = {}): Promise<SecurityContext> {
    const { certificate } = options
    if (certificate !== undefined) requireCertificate(certificate)
    this.requireRoom()
    const own = await this.transport.json<OwnCertificates>({ path: '/api/v1/directory/users/me/certificates' })
    if (domainOfSid(own.sid) === undefined) {
      throw new AppError('MQ_ERROR_COULD_NOT_GET_USER_SID', 'The caller has no SID of a domain.')
    }
    const identity = certificate === undefined ? await this.internal(own) : await this.external(certificate)
    const end = this.validEnd(identity)
    proveSigning(identity)
    // Others may have come while the directory answered.
    this.requireRoom()
    const digest = toHex(userCertDigest(identity.certificate))
    const kind = certificate === undefined ? 'internal' : 'external'
    const context = new SecurityContext(this, own.sid, kind, digest, end)
    const privateKey = heldKeyOf(identity.privateKey)
    this.signers.set(context, { certificate: identity.certificate, privateKey, sid: own.sid })
    return context
  }

  /** Forgets the key of a context, which is good for nothing then. Does nothing when it is freed already or another's. */
  freeSecurityContext(context: SecurityContext): void {
    this.signers.delete(context)
  }

  /** What a context signs with. Throws `MQ_ERROR_BAD_SECURITY_CONTEXT` when it is freed, expired or another's. */
  signerOf(context: SecurityContext): MessageSigner {
    const signer = this.signers.get(context)
    if (signer !== undefined && context.expiresAt > this.clock.now()) return signer
    this.signers.delete(context)
    throw new AppError('MQ_ERROR_BAD_SECURITY_CONTEXT', 'The security context is freed, expired or of somebody else.')
  }

  /** Frees every context. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signers.clear()
    await this.transport.close()
  }

  private async internal(own: OwnCertificates): Promise<StoredIdentity> {
    const found = await opening(() => this.settings.store.findInternal(), 'MQ_ERROR_NO_INTERNAL_USER_CERT')
    const digest = found === undefined ? '' : toHex(userCertDigest(found.certificate))
    if (found !== undefined && own.items.some(item => item.digest === digest)) return found
    throw new AppError('MQ_ERROR_NO_INTERNAL_USER_CERT', 'No internal certificate of this machine is registered.')
  }

  private async external(certificate: Uint8Array): Promise<StoredIdentity> {
    const found = await opening(() => this.settings.store.find(certificate), 'MQ_ERROR_INVALID_CERTIFICATE')
    if (found !== undefined && equalBytes(found.certificate, certificate)) return found
    throw new AppError(
      'MQ_ERROR_INVALID_CERTIFICATE',
      'The certificate and its key are not in the store of the caller.'
    )
  }

  /** When the context ends. Throws `MQ_ERROR_INVALID_CERTIFICATE` outside of the certificate's validity. */
  private validEnd({ certificate }: StoredIdentity): Date {
    const { notBefore, notAfter } = decodeCertificate(certificate)
    const now = this.clock.now()
    if (notBefore > now || notAfter < now) {
      throw new AppError('MQ_ERROR_INVALID_CERTIFICATE', 'The certificate is not within its validity.')
    }
    const lifetime = 1000 * (this.settings.lifetimeSeconds ?? 28_800)
    return new Date(Math.min(now.getTime() + lifetime, notAfter.getTime()))
  }

  private requireRoom(): void {
    const now = this.clock.now()
    for (const context of this.signers.keys()) if (context.expiresAt <= now) this.signers.delete(context)
    const most = this.settings.most ?? 64
    if (this.signers.size < most) return
    throw new AppError('MQ_ERROR_INSUFFICIENT_RESOURCES', `${most} security contexts are held: free some.`, { most })
  }
}

function requireCertificate(certificate: Uint8Array): void {
  try {
    decodeCertificate(certificate)
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The bytes are not one certificate in DER.', {}, { cause })
  }
}

/** What the store has; a key that cannot be opened is corrupted data, a certificate that cannot be read is none. */
async function opening(
  read: () => Promise<StoredIdentity | undefined>,
  unreadable: 'MQ_ERROR_NO_INTERNAL_USER_CERT' | 'MQ_ERROR_INVALID_CERTIFICATE'
): Promise<StoredIdentity | undefined> {
  try {
    return await read()
  } catch (cause) {
    if (!isAppError(cause) || cause.code === 'MQ_ERROR_CANNOT_OPEN_CERT_STORE') throw cause
    const isKeyFile = cause.code === 'key_store_locked' || cause.code === 'key_store_invalid'
    const isKey = isKeyFile && cause.evidence['part'] === undefined
    const code = isKey ? 'MQ_ERROR_CORRUPTED_SECURITY_DATA' : unreadable
    throw new AppError(code, `The store has a certificate that cannot be used: ${cause.message}`, {}, { cause })
  }
}

/** Signs and verifies once, so that no message fails for its key later. Throws `MQ_ERROR_CORRUPTED_SECURITY_DATA`. */
function proveSigning({ certificate, privateKey }: StoredIdentity): void {
  const algorithm = signatureAlgorithmOf(privateKey)
  const digest = algorithm === 'Ed25519' ? null : 'sha256'
  const spki = { key: Buffer.from(decodeCertificate(certificate).publicKey.raw), format: 'der', type: 'spki' } as const
  const probe = Buffer.from('certkeep-security-context')
  if (verify(digest, probe, createPublicKey(spki), sign(digest, probe, privateKey))) return
  throw new AppError('MQ_ERROR_CORRUPTED_SECURITY_DATA', 'The key does not sign for its certificate.')
}
