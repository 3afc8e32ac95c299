import { Inject, Injectable } from '@nestjs/common'
import { equalBytes, isAppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import {
  keyHashOf,
  readClientCertificate,
  refused,
  requireFreshness,
  requireMessageSignature,
  requireMode,
  requireTlsProof,
  requireValidity,
  signatureHashOf,
  type SignedRegistrationRequest
} from '@app/registration'
import { RegistrationStore, SiteStore, type RegistrationProxyRow, type SiteRow } from '@app/storage'
import type { Certificate } from '@app/x509'
import { ClientTrust } from './client-trust.js'
import type { ReceivedMessage, Transport } from './transport.js'

/** A message that has passed every check that needs no decision. */
export interface CheckedMessage {
  readonly message: SignedRegistrationRequest
  readonly site: SiteRow
  /** The certificate in the message. */
  readonly client: Certificate
  /** Whether it is one of a CA that the site trusts, and not revoked. */
  readonly isCertified: boolean
  readonly checkedAt: Date
}

/** The checks of a message, in the order of the protocol. */
@Injectable()
export class MessageChecks {
  constructor(
    private readonly site: SiteStore,
    private readonly registrations: RegistrationStore,
    private readonly trust: ClientTrust,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Throws `registration_refused` with the first thing that is wrong, `registration_schema_invalid` for no certificate. */
  async check({ message, transport }: ReceivedMessage): Promise<CheckedMessage> {
    const now = this.clock.now()
    const site = await this.site.get()
    const { request } = message
    const client = readClientCertificate(request.signingCertificate, 'Data/Certificates/Signing')
    // 1. The signature over the text as it was sent.
    const proxy = await this.proxyOf(message.proxySmsid)
    const signer = proxy === undefined ? client : readClientCertificate(proxy.certificate, "The proxy's certificate")
    requireMessageSignature({ ...message, hash: request.hash }, signer, site.isSha1Taken)
    requireMode(site.mode, transport.mode)
    // 2. That the sender is the one of the connection, and 3. that somebody vouches for it.
    const isCertified = await this.requireProof(signer, transport, site)
    // 4. Nobody who is blocked, 5. no message of another time, and none that was taken before.
    await this.requireUnblocked(client, message)
    requireFreshness(request.timeStamp, now, site.replayWindowSeconds)
    if (await this.registrations.hasMessage(signatureHashOf(message.signature))) {
      throw refused('The message was taken before.')
    }
    return { message, site, client, isCertified, checkedAt: now }
  }

  private async proxyOf(smsid: string | undefined): Promise<RegistrationProxyRow | undefined> {
    if (smsid === undefined) return undefined
    const proxy = await this.site.findProxy(smsid)
    if (proxy === undefined) throw refused('The proxy that signs for the client is not known.')
    return proxy
  }

  private async requireProof(signer: Certificate, transport: Transport, site: SiteRow): Promise<boolean> {
    if (transport.mode === 'native') {
      requireTlsProof(signer, transport.certificate)
      await this.trust.require(signer, transport.intermediates, site)
      return true
    }
    requireValidity(signer, this.clock.now())
    const isSelfSigned = equalBytes(signer.issuer.raw, signer.subject.raw)
    if (isSelfSigned || site.approvalMode !== 'trusted_domains') return false
    return this.isTrusted(signer, site)
  }

  /** In mixed mode a certificate of a trusted CA is good for an approval, and nothing is refused without one. */
  private async isTrusted(signer: Certificate, site: SiteRow): Promise<boolean> {
    try {
      await this.trust.require(signer, [], site)
      return true
    } catch (error) {
      if (isAppError(error, 'registration_refused')) return false
      throw error
    }
  }

  private async requireUnblocked(
    client: Certificate,
    { request, proxySmsid }: SignedRegistrationRequest
  ): Promise<void> {
    const keyHash = keyHashOf(client)
    const named = request.smsid === '' ? undefined : await this.registrations.find(request.smsid)
    const own = proxySmsid === undefined ? await this.registrations.listByKey(keyHash) : []
    // Who names the identifier of another client is not that client; the clients of a proxy are blocked one by one.
    const rows = named !== undefined && keyHash.equals(named.keyHash) ? [named, ...own] : own
    if (rows.some(({ blockedAt }) => blockedAt !== null)) throw refused('The client is blocked by an administrator.')
  }
}
