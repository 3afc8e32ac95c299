import { AppError, equalBytes, fromBase64, toBase64 } from '@app/core'
import { decodeCertificate } from '@app/x509'
import { Transport, type ConnectionSettings } from './transport.js'

const base = '/api/v1/mq'
const at = (...rest: readonly string[]): string => [base, ...rest.map(encodeURIComponent)].join('/')

/** A security context whose key the server holds. It shows neither its handle nor anything that a receiver sees. */
export class HeldSecurityContext implements AsyncDisposable {
  readonly #handle: string

  /** Made by {@link HeldSecurityContexts} alone. */
  constructor(
    private readonly owner: HeldSecurityContexts,
    handle: string,
    /** Whose messages it signs. */
    readonly sid: string,
    readonly kind: 'internal' | 'external',
    /** MD5 of the certificate, hexadecimal. */
    readonly digest: string,
    readonly expiresAt: Date
  ) {
    this.#handle = handle
  }

  /** What the server knows it by, to be sent there and nowhere else. */
  static handleOf(context: HeldSecurityContext): string {
    return context.#handle
  }

  /** As {@link HeldSecurityContexts.freeSecurityContext}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.owner.freeSecurityContext(this)
  }

  /** What may be shown of it. */
  toJSON(): object {
    const { sid, kind, digest, expiresAt } = this
    return { sid, kind, digest, expiresAt }
  }
}

/** A key that the server holds for an account. */
export interface HeldMessageKey {
  readonly id: string
  readonly kind: 'internal' | 'external'
  /** SubjectPublicKeyInfo, DER in base64. */
  readonly publicKey: string
  readonly createdAt: string
}

/** A key that was made, and what its certificate is asked for with. */
export interface NewHeldMessageKey extends HeldMessageKey {
  /** PKCS#10, DER in base64. */
  readonly csr: string
  /** Of the server; for an internal certificate alone. */
  readonly machineId?: string
}

/** That an account may act for another. */
export interface Delegation {
  readonly id: string
  /** SID of who is acted for. */
  readonly subject: string
  /** SID of who acts. */
  readonly actor: string
  readonly createdAt: string
  readonly expiresAt: string
}

/** Where a context is obtained: for oneself, or for whom one acts. */
export interface ContextSource {
  /** As {@link HeldSecurityContexts.getSecurityContextEx}. */
  getSecurityContextEx(options?: { readonly certificate?: Uint8Array }): Promise<HeldSecurityContext>
}

interface ContextAnswer {
  readonly handle: string
  readonly sid: string
  readonly kind: 'internal' | 'external'
  readonly digest: string
  readonly expiresAt: string
}

/**
 * Security contexts whose keys the server holds: of the caller, and of accounts that let it act for them. What is
 * obtained for another stays usable by the caller's own credential.
 */
export class HeldSecurityContexts implements ContextSource, AsyncDisposable {
  private readonly transport: Transport

  constructor(private readonly settings: ConnectionSettings) {
    this.transport = new Transport(settings)
  }

  /** Has the server make a key. Throws `MQ_ERROR_COULD_NOT_GET_USER_SID`, `MQ_ERROR_INSUFFICIENT_RESOURCES`. */
  makeKey(kind: 'internal' | 'external' = 'internal'): Promise<NewHeldMessageKey> {
    return this.transport.json({ method: 'POST', path: at('keys'), json: { kind } })
  }

  /** The caller's. */
  async listKeys(): Promise<readonly HeldMessageKey[]> {
    return (await this.transport.json<{ items: HeldMessageKey[] }>({ path: at('keys') })).items
  }

  /** Destroys a key, and with it the contexts that sign with it. Throws `not_found`. */
  async destroyKey(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at('keys', id) })
  }

  /**
   * Has the server make a key and registers an internal certificate of it, in the place of the one before, whose key is
   * destroyed then. Gives the certificate, DER. Throws as {@link makeKey} and as `CertificateDirectory.registerCertificate`.
   */
  async registerInternal(): Promise<Uint8Array> {
    const { csr, machineId, publicKey, id } = await this.makeKey('internal')
    const path = '/api/v1/directory/users/me/certificates'
    const json = { flags: 1, machineId, csr }
    try {
      const answer = await this.transport.json<{ certificate: string }>({ method: 'POST', path, json, wait: 30 })
      const certificate = fromBase64(answer.certificate) ?? new Uint8Array()
      const spki = fromBase64(publicKey) ?? new Uint8Array()
      if (!equalBytes(decodeCertificate(certificate).publicKey.raw, spki))
        throw new AppError('response_key_mismatch', 'The server registered a certificate for another key.')
      const before = (await this.listKeys()).filter(key => key.kind === 'internal' && key.id !== id)
      for (const key of before) await this.destroyKey(key.id)
      return certificate
    } catch (error) {
      await this.destroyKey(id)
      throw error
    }
  }

  /**
   * A context of a registered external certificate, or of the internal one when none is given, whose key the server
   * holds. Throws the codes of MQGetSecurityContextEx.
   */
  getSecurityContextEx(options: { readonly certificate?: Uint8Array } = {}): Promise<HeldSecurityContext> {
    return this.obtain(this.transport, options)
  }

  /** Ends a context. Does nothing when it is freed already or another's. */
  async freeSecurityContext(context: HeldSecurityContext): Promise<void> {
    await this.transport.call({
      method: 'DELETE',
      path: at('security-contexts', HeldSecurityContext.handleOf(context))
    })
  }

  /**
   * Lets the account of a SID act for the caller until a time, and gives the token that it is to exchange. Throws
   * `not_found`, `MQ_ERROR_INVALID_PARAMETER`.
   */
  delegate(actor: string, expiresAt: Date): Promise<Delegation & { readonly subjectToken: string }> {
    const json = { actor, expiresAt: expiresAt.toISOString() }
    return this.transport.json({ method: 'POST', path: at('delegations'), json })
  }

  /** Those that the caller gave and has. */
  async listDelegations(): Promise<readonly Delegation[]> {
    return (await this.transport.json<{ items: Delegation[] }>({ path: at('delegations') })).items
  }

  /** Ends a delegation that the caller gave or has, and the contexts that rest on it. Throws `not_found`. */
  async revokeDelegation(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at('delegations', id) })
  }

  /**
   * Acts for the account of a delegation's token while the work lasts (RFC 8693). What the work obtains stays usable
   * afterwards. Throws `MQ_ERROR_CANNOT_IMPERSONATE_CLIENT`, and what the work throws.
   */
  async withImpersonation<T>(subjectToken: string, work: (as: ContextSource) => Promise<T>): Promise<T> {
    const transport = new Transport({ ...this.settings, credentials: { token: await this.exchange(subjectToken) } })
    try {
      return await work({ getSecurityContextEx: (options = {}) => this.obtain(transport, options) })
    } finally {
      await transport.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  private async exchange(subjectToken: string): Promise<string> {
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subjectToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token'
    }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await this.transport.json<{ access_token: string }>({
      method: 'POST',
      path: at('token'),
      headers,
      body
    })
    return answer.access_token
  }

  private async obtain(
    transport: Transport,
    { certificate }: { readonly certificate?: Uint8Array }
  ): Promise<HeldSecurityContext> {
    const json = certificate === undefined ? {} : { certificate: toBase64(certificate) }
    const answer = await transport.json<ContextAnswer>({ method: 'POST', path: at('security-contexts'), json })
    const { handle, sid, kind, digest, expiresAt } = answer
    return new HeldSecurityContext(this, handle, sid, kind, digest, new Date(expiresAt))
  }
}
