import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, attempt, equalBytes, fromBase64, isAppError, toHex, type Clock } from '@app/core'
import { userCertDigest } from '@app/directory'
import type { HeldKey, MessageSigner } from '@app/messaging'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import {
  MessageKeyStore,
  RegisteredCertificateStore,
  SecurityContextStore,
  type MessageKeyRow,
  type PrincipalRow,
  type RegisteredCertificateRow
} from '@app/storage'
import { decodeCertificate } from '@app/x509'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import type { ContextBody, ContextView } from './contexts.schemas.js'
import { MessageKeys, requireDomainSid } from './message-keys.service.js'

interface Identity {
  readonly registered: RegisteredCertificateRow
  readonly key: MessageKeyRow
}

/** Security contexts whose keys the server holds (MQGetSecurityContextEx): each is its owner's, and nobody else's. */
@Injectable()
export class HeldContexts {
  /** What contexts sign with, opened once. Which of them are good, the database says. */
  private readonly signers = new Map<string, Promise<MessageSigner>>()

  constructor(
    private readonly contexts: SecurityContextStore,
    private readonly keyRows: MessageKeyStore,
    private readonly registered: RegisteredCertificateStore,
    private readonly keys: MessageKeys,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * A context of the caller's, or of whom it acts for. Throws `MQ_ERROR_INVALID_PARAMETER` for what is no certificate,
   * `MQ_ERROR_COULD_NOT_GET_USER_SID`, `MQ_ERROR_INVALID_CERTIFICATE` for one that is not registered, has no key here or
   * is outside of its validity, `MQ_ERROR_NO_INTERNAL_USER_CERT` when there is no internal one with a key here or it is
   * damaged, `MQ_ERROR_CORRUPTED_SECURITY_DATA` when its key does not sign, `MQ_ERROR_INSUFFICIENT_RESOURCES`.
   */
  async obtain({ certificate }: ContextBody, requester: AuthenticatedRequester): Promise<ContextView> {
    requireScope(requester, 'enroll')
    const { principal: owner, onBehalfOf } = requester
    // 1. The parameters; 2. the SID of whose messages it signs.
    const wanted = certificate === undefined ? undefined : decodeDer(certificate)
    const name = onBehalfOf?.name ?? requester.name
    const subject = requireDomainSid(onBehalfOf?.principal ?? owner, name)
    // 3. The certificate and its key; 4. that it signs.
    const { registered, key } = await this.identityOf(subject, wanted)
    await proveSigning(registered.certificate, await this.keys.open(key.reference))
    // 5. One row, which lives as long as all that it rests on.
    const now = this.clock.now()
    const end = now.getTime() + 60_000 * this.config.messaging.contextMinutes
    const ends = [end, registered.notAfter.getTime(), onBehalfOf?.expiresAt.getTime() ?? Number.MAX_SAFE_INTEGER]
    const context = {
      handle: randomBytes(16).toString('base64url'),
      ownerId: owner.id,
      subjectId: subject.id,
      registeredId: registered.identifier,
      keyId: key.id,
      delegationId: onBehalfOf?.delegationId ?? null,
      createdAt: now,
      expiresAt: new Date(Math.min(...ends))
    }
    const { contextsPerAccount: ofOwner, contexts: inAll } = this.config.messaging
    const because = { actor: requester.name, detail: { subject: name, subjectSid: subject.sid } }
    await this.contexts.obtain(context, { ofOwner, inAll }, because)
    return { handle: context.handle, ...viewOf({ ...context, ...registered, sid: subject.sid }) }
  }

  /** A context of the caller's. Throws `MQ_ERROR_BAD_SECURITY_CONTEXT` for another's as for none. */
  async get(handle: string, { principal }: AuthenticatedRequester): Promise<ContextView> {
    const found = await this.contexts.find(handle, principal.id, this.clock.now())
    if (found === undefined) throw badContext()
    return viewOf(found)
  }

  /** Ends a context of the caller's (MQFreeSecurityContext). Says nothing when there is none. */
  async free(handle: string, { principal, name }: AuthenticatedRequester): Promise<void> {
    if (await this.contexts.free(handle, principal.id, { actor: name }, this.clock.now())) this.signers.delete(handle)
  }

  /** What a context of the caller's signs with. Throws `MQ_ERROR_BAD_SECURITY_CONTEXT`. */
  async signerOf(handle: string, { principal }: AuthenticatedRequester): Promise<MessageSigner> {
    const now = this.clock.now()
    const known = this.signers.get(handle)
    if (known !== undefined) {
      if (await this.contexts.isGood(handle, principal.id, now)) return known
      // Whoever else asks for it does not make its owner open it again.
      throw badContext()
    }
    const row = await this.contexts.find(handle, principal.id, now)
    if (row === undefined) throw badContext()
    const signer = this.signers.get(handle) ?? this.open(row)
    this.remember(handle, signer)
    return signer
  }

  private async open(row: {
    readonly certificate: Uint8Array
    readonly reference: string
    readonly sid: string
  }): Promise<MessageSigner> {
    return { certificate: row.certificate, privateKey: await this.keys.open(row.reference), sid: row.sid }
  }

  /** Contexts that ended elsewhere go when there is no room: the oldest first, which can be opened again. */
  private remember(handle: string, signer: Promise<MessageSigner>): void {
    this.signers.set(handle, signer)
    signer.catch(() => this.signers.delete(handle))
    const [oldest] = this.signers.keys()
    if (oldest !== undefined && this.signers.size > this.config.messaging.contexts) this.signers.delete(oldest)
  }

  private async identityOf(subject: PrincipalRow, wanted?: Uint8Array): Promise<Identity> {
    const [all, keys] = await Promise.all([this.registered.list(subject.id), this.keyRows.list(subject.id)])
    const candidates = all.filter(row =>
      wanted === undefined ? row.kind === 'internal' : equalBytes(row.certificate, wanted)
    )
    const found = candidates
      .map(registered => ({ registered, key: keyOf(registered, keys) }))
      .findLast(({ key }) => key)
    const code = wanted === undefined ? 'MQ_ERROR_NO_INTERNAL_USER_CERT' : 'MQ_ERROR_INVALID_CERTIFICATE'
    if (found?.key === undefined) {
      throw new AppError(code, 'The server holds no key of a certificate that is registered so for the account.')
    }
    const now = this.clock.now()
    if (found.registered.notBefore > now || found.registered.notAfter < now) {
      throw new AppError('MQ_ERROR_INVALID_CERTIFICATE', 'The certificate is not within its validity.')
    }
    return { registered: found.registered, key: found.key }
  }
}

/** The error of a handle that is unknown, freed, expired or another's: nobody learns which. */
function badContext(): AppError {
  return new AppError('MQ_ERROR_BAD_SECURITY_CONTEXT', 'The security context is freed, expired or of somebody else.')
}

/** The key of a certificate; undefined when the certificate is damaged too. */
function keyOf({ certificate }: RegisteredCertificateRow, keys: readonly MessageKeyRow[]): MessageKeyRow | undefined {
  const publicKey = attempt(() => decodeCertificate(certificate).publicKey.raw)
  return publicKey === undefined ? undefined : keys.find(key => equalBytes(key.publicKey, publicKey))
}

function decodeDer(text: string): Uint8Array {
  const bytes = fromBase64(text)
  try {
    if (bytes !== undefined) return decodeCertificate(bytes).raw
  } catch (cause) {
    if (!isAppError(cause)) throw cause
  }
  throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'The bytes are not one certificate in DER, in base64.')
}

async function proveSigning(certificate: Uint8Array, key: HeldKey): Promise<void> {
  const spki = Buffer.from(decodeCertificate(certificate).publicKey.raw)
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const probe = Buffer.from('certkeep-security-context')
  const options = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  if (verify('sha256', probe, options, await key.sign(probe))) return
  throw new AppError('MQ_ERROR_CORRUPTED_SECURITY_DATA', 'The key does not sign for its certificate.')
}

function viewOf(context: {
  readonly sid: string
  readonly kind: 'internal' | 'external'
  readonly certificate: Uint8Array
  readonly expiresAt: Date
}): ContextView {
  const { sid, kind, certificate, expiresAt } = context
  return { sid, kind, digest: toHex(userCertDigest(certificate)), expiresAt: expiresAt.toISOString() }
}
