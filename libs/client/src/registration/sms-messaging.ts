import { randomUUID } from 'node:crypto'
import { AppError, attempt, systemClock, type Clock } from '@app/core'
import { encodePem } from '@app/der'
import { contentDigestOf, decodeRegistrationRequest } from '@app/registration'
import { problemOf } from '../transport.js'
import type { CertificateStores } from './certificate-stores.js'
import { MPAPI_CERT_STORE_LOCATION, MPAPI_SECURITY_FLAG } from './enumerations.js'
import { exchangeWithMp, type MpReply, type MpTarget } from './mp-connection.js'
import { SmsMessage } from './sms-message.js'

/** What messages are sent with. */
export interface MessagingSettings {
  readonly stores: CertificateStores
  /** PEM of the roots that servers are trusted by; else the store `root` of the machine, and without it the system's. */
  readonly trust?: string
  readonly clock?: Clock
}

/** The endpoints that are known, and the address that a body goes to there. */
const PATHS: Readonly<Record<string, (body: Uint8Array) => string>> = { MP_ClientRegistration: registrationPathOf }
const REGISTRATIONS = '/api/v1/configmgr/registrations'

const { NATIVE_MODE, ENABLE_CRL_CHECKING } = MPAPI_SECURITY_FLAG

/** Sends messages to management points, after ISmsMessaging of the Configuration Manager SDK. */
export class SmsMessaging {
  readonly clock: Clock
  readonly stores: CertificateStores
  private readonly posted = new Map<string, Promise<SmsMessage>>()

  constructor(private readonly settings: MessagingSettings) {
    this.clock = settings.clock ?? systemClock
    this.stores = settings.stores
  }

  createMessage(): SmsMessage {
    return new SmsMessage()
  }

  /**
   * Sends a message and gives the reply, whose signature is still to be verified.
   * @param host a name, an address or an `http://` address; null is this machine. Whatever it says, native mode and
   * nothing else makes the connection a TLS connection, and the port is that of `setPort`.
   * Throws `invalid_argument` for flags that do not go together or without their certificate, `reply_missing` for an
   * endpoint that nobody answers at, `server_unreachable`, `chain_invalid`, `server_certificate_revoked`,
   * `revocation_offline`, else what the server's problem details name.
   */
  async invoke(
    host: string | null,
    message: SmsMessage,
    options: { readonly signal?: AbortSignal } = {}
  ): Promise<SmsMessage> {
    const { timeoutSeconds, body, endpoint, ...sent } = message.toSend()
    requireAllowed({ ...sent, endpoint })
    const pathOf = Object.hasOwn(PATHS, endpoint) ? PATHS[endpoint] : undefined
    if (pathOf === undefined) {
      throw new AppError('reply_missing', `Nobody answers at an endpoint "${endpoint}".`, { endpoint })
    }
    const path = pathOf(body)
    const target = await this.targetOf(host, sent)
    const requestDigest = contentDigestOf(body)
    const headers = {
      accept: 'application/xml',
      'content-type': 'application/xml',
      'content-digest': requestDigest,
      ...(sent.clientId === undefined ? {} : { 'x-sms-client-id': sent.clientId })
    }
    const limit = AbortSignal.timeout(timeoutSeconds * 1000)
    const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal])
    const reply = await exchangeWithMp(target, { method: 'POST', path, headers, body }, signal)
    requireReply(reply, target, path)
    const contentType = reply.headers['content-type'] ?? ''
    return new SmsMessage({ reply: { ...reply, contentType, requestDigest }, stores: this.stores, clock: this.clock })
  }

  /** Sends a message without waiting for the reply, and gives what {@link takeReply} finds it by. */
  post(host: string | null, message: SmsMessage, options: { readonly signal?: AbortSignal } = {}): string {
    const trackingId = randomUUID()
    const reply = this.invoke(host, message, options)
    // Whoever takes the reply hears of the failure.
    reply.catch(() => undefined)
    this.posted.set(trackingId, reply)
    return trackingId
  }

  /** The reply to a posted message, once. Throws `not_found` for another id, and what {@link invoke} throws. */
  async takeReply(trackingId: string): Promise<SmsMessage> {
    const reply = this.posted.get(trackingId)
    if (reply === undefined) throw new AppError('not_found', 'No message was posted with this tracking id.')
    this.posted.delete(trackingId)
    return reply
  }

  private async targetOf(
    host: string | null,
    { flags, port, proxy, identity }: Pick<ReturnType<SmsMessage['toSend']>, 'flags' | 'port' | 'proxy' | 'identity'>
  ): Promise<MpTarget> {
    const isNative = (flags & NATIVE_MODE) !== 0
    const where = { host: hostOf(host), port: port ?? (isNative ? 443 : 80), proxy }
    if (!isNative || identity === undefined) return { ...where, tls: undefined }
    const { certificate, chain, privateKey } = await this.stores.findIdentity(
      identity.location,
      identity.store,
      identity.thumbprint
    )
    const tls = {
      trust: this.settings.trust ?? (await this.storedRoots()),
      certificate: [certificate, ...chain].map(der => encodePem('CERTIFICATE', der)).join(''),
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      revocationAt: (flags & ENABLE_CRL_CHECKING) === 0 ? undefined : this.clock.now()
    }
    return { ...where, tls }
  }

  private async storedRoots(): Promise<string | undefined> {
    const roots = await this.stores.list(MPAPI_CERT_STORE_LOCATION.LOCAL_MACHINE, 'root')
    return roots.length === 0 ? undefined : roots.map(der => encodePem('CERTIFICATE', der)).join('')
  }
}

/** A message that is none goes where registrations go; the site says what is wrong with it. */
function registrationPathOf(body: Uint8Array): string {
  const message = attempt(() => decodeRegistrationRequest(Buffer.from(body).toString('utf8')))
  if (message === undefined || message.request.type === 'Registration') return REGISTRATIONS
  const { type, smsid } = message.request
  return `${REGISTRATIONS}/${smsid}/${type === 'Confirmation' ? 'confirmation' : 'certificate'}`
}

/** What the Configuration Manager SDK lets go together for a registration. */
function requireAllowed({
  flags,
  flagsSet,
  identity,
  encryptionStore,
  attachments,
  endpoint
}: Pick<
  ReturnType<SmsMessage['toSend']>,
  'flags' | 'flagsSet' | 'identity' | 'encryptionStore' | 'attachments' | 'endpoint'
>): void {
  const isNative = (flags & NATIVE_MODE) !== 0
  const wrong = [
    [!flagsSet, 'The security flags have not been set.'],
    [
      (flags & ~(NATIVE_MODE | ENABLE_CRL_CHECKING)) !== 0,
      'A registration is sent without other flags than NATIVE_MODE and ENABLE_CRL_CHECKING.'
    ],
    [!isNative && (flags & ENABLE_CRL_CHECKING) !== 0, 'ENABLE_CRL_CHECKING goes with NATIVE_MODE only.'],
    [isNative && identity === undefined, 'NATIVE_MODE needs a client certificate.'],
    [isNative && encryptionStore !== undefined, 'Messages are not encrypted in NATIVE_MODE.'],
    [attachments.length > 0, `The endpoint ${endpoint} takes no attachments.`]
  ] as const
  const [, reason] = wrong.find(([isWrong]) => isWrong) ?? []
  if (reason !== undefined) throw new AppError('invalid_argument', reason)
}

function hostOf(host: string | null): string {
  if (host === null) return '127.0.0.1'
  const url = /^https?:\/\//i.test(host) ? URL.parse(host) : undefined
  const name = url === undefined ? host : url?.hostname
  if (name == null || name === '' || /[\s/@?#]/.test(name)) {
    throw new AppError('invalid_argument', `"${host}" is no host.`, { host })
  }
  return name.replace(/^\[(.*)\]$/, '$1')
}

/** Throws what a problem document names; `reply_missing` where nobody answers for the endpoint. */
function requireReply(reply: MpReply, { host, port, tls }: MpTarget, path: string): void {
  if (reply.status === 200) return
  const url = new URL(
    path,
    `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  )
  if ([404, 405, 502, 504].includes(reply.status)) {
    throw new AppError('reply_missing', `Nobody answers for client registration at ${url.origin}.`, {
      status: reply.status
    })
  }
  throw problemOf(reply, url)
}
