import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@app/core'
import {
  buildRegistrationHint,
  buildRegistrationRequest,
  decodeRegistrationResponse,
  DEFAULT_WAIT,
  REGISTRATION_STATUS,
  type RegistrationRequestInput,
  type RegistrationResponse
} from '@app/registration'
import type { StoredIdentity } from './certificate-stores.js'
import { enrollRegistered, type EnrollmentExchange } from './enroll-client.js'
import { MPAPI_CERT_STORE_LOCATION, MPAPI_SECURITY_FLAG, type CertStoreLocation } from './enumerations.js'
import type { CertificateReference, SmsMessage } from './sms-message.js'
import type { SmsMessaging } from './sms-messaging.js'

/** How a client speaks with its site. */
export interface RegistrationClientSettings {
  readonly messaging: SmsMessaging
  /** As `SmsMessaging.invoke` takes it. */
  readonly host: string | null
  readonly port: number
  readonly mode: 'mixed' | 'native'
  /** The certificate that signs, with its key; in native mode that of the TLS connection too. */
  readonly signing: CertificateReference
  /** The certificates of all management points that may answer; the store `mpsigningcerts` of the machine if absent. */
  readonly managementPoints?: { readonly location: CertStoreLocation; readonly store: string }
  /** Discovery properties: `NetBIOS Name`, `FQ Name` and `InternetFlag` at least. */
  readonly properties: Readonly<Record<string, string>>
  readonly agent?: RegistrationRequestInput['agent']
  /** DER of the certificate that the site encrypts to; mixed mode only. */
  readonly encryptionCertificate?: Uint8Array
  /** The proxy that signs for this client; `signing` names the proxy's key, and `certificate` is the client's. */
  readonly proxy?: { readonly smsid: string; readonly clientCertificate: Uint8Array }
  /** In native mode, whether the server's certificate is looked up in its CRL; it is unless told otherwise. */
  readonly checksRevocation?: boolean
  /** `http://host:port`. */
  readonly httpProxy?: string
  /** Waits so many milliseconds, or throws when the signal says so. The machine's timer if absent. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
}

/** What the site says, with the time after which a pending client asks again. */
export interface RegistrationAnswer extends RegistrationResponse {
  readonly retryAfterMs?: number
}

/** Between which bounds a pending client waits, whatever it is told, and what ends it. */
export interface WaitOptions {
  readonly minWaitMs?: number
  readonly maxWaitMs?: number
  readonly signal?: AbortSignal
  /** How often a registration that could not be processed is sent at most; 10 unless told. */
  readonly attempts?: number
  /** Hears of each answer that is not the last. */
  readonly onAnswer?: (answer: RegistrationAnswer, waitMs: number) => void
}

const { LOCAL_MACHINE } = MPAPI_CERT_STORE_LOCATION
const { MIXED_MODE, NATIVE_MODE, ENABLE_CRL_CHECKING } = MPAPI_SECURITY_FLAG

/** The client's side of a registration: each answer is verified before it is read. */
export class RegistrationClient {
  constructor(private readonly settings: RegistrationClientSettings) {}

  /**
   * Registers, with an SMSID that is wanted or one that the site assigns. `registeredWith`: the certificate that the
   * SMSID is registered with by now, which keeps it when the key changes. Throws what `SmsMessaging.invoke` and
   * `SmsMessage.verifyServerSignature` throw.
   */
  async register(
    options: {
      readonly smsid?: string
      readonly registeredWith?: CertificateReference
      readonly signal?: AbortSignal
    } = {}
  ): Promise<RegistrationAnswer> {
    const { smsid, registeredWith, signal } = options
    const { properties, encryptionCertificate } = this.settings
    const hint =
      registeredWith === undefined || smsid === undefined
        ? undefined
        : buildRegistrationHint(smsid, (await this.identity(registeredWith)).privateKey)
    return this.exchange(
      {
        type: 'Registration',
        properties,
        ...(smsid === undefined ? {} : { smsid }),
        ...(hint === undefined ? {} : { registrationHint: hint }),
        ...(encryptionCertificate === undefined ? {} : { encryptionCertificate })
      },
      signal
    )
  }

  /** Asks what has become of a registration. Throws as {@link register}. */
  confirm(smsid: string, options: { readonly signal?: AbortSignal } = {}): Promise<RegistrationAnswer> {
    return this.exchange({ type: 'Confirmation', smsid }, options.signal)
  }

  /**
   * Registers and asks again until the site has decided: after the time that it tells, within the bounds. Sends the
   * registration again when it could not be processed. Throws `registration_refused`, `registration_retry` after too many
   * attempts, `withdrawn` when the signal ends it, and as {@link register}.
   */
  async registerAndWait(
    options: WaitOptions &
      Pick<NonNullable<Parameters<RegistrationClient['register']>[0]>, 'smsid' | 'registeredWith'> = {}
  ): Promise<RegistrationAnswer & { readonly smsid: string }> {
    return this.settle(await this.register(options), 1, options)
  }

  /** Asks until the site has decided of a registration that was sent before. Throws as {@link registerAndWait}. */
  async confirmAndWait(
    smsid: string,
    options: WaitOptions = {}
  ): Promise<RegistrationAnswer & { readonly smsid: string }> {
    return this.settle(await this.confirm(smsid, options), 0, options)
  }

  /**
   * Makes a key and gets a certificate of a template for it, as the account that the registered client is. Asks again
   * while the request waits for an officer. Throws `registration_refused` for a client that is not approved, as
   * {@link register}, and as `enrollRegistered`.
   */
  enroll(smsid: string, template: string, options: WaitOptions = {}): Promise<StoredIdentity> {
    const exchange: EnrollmentExchange = order =>
      this.send({ type: 'Enrollment', smsid, order }, options.signal).then(reply => reply.getBodyToString())
    const wait = (): Promise<void> => this.wait(options.minWaitMs ?? DEFAULT_WAIT.minimum * 1000, options.signal)
    return enrollRegistered(template, exchange, wait)
  }

  private async settle(
    first: RegistrationAnswer,
    before: number,
    options: Parameters<RegistrationClient['registerAndWait']>[0] & object
  ): Promise<RegistrationAnswer & { readonly smsid: string }> {
    const { signal, attempts = 10, onAnswer } = options
    let sent = before
    let answer = first
    for (;;) {
      const { status, smsid } = answer
      if (status === REGISTRATION_STATUS.rejected) throw refused()
      if (status === REGISTRATION_STATUS.registered && smsid !== undefined) return { ...answer, smsid }
      if (status === REGISTRATION_STATUS.retry && sent >= attempts) throw exhausted(sent)
      const waitMs = waitOf(answer, options)
      onAnswer?.(answer, waitMs)
      await this.wait(waitMs, signal)
      if (status === REGISTRATION_STATUS.retry || smsid === undefined) {
        sent++
        answer = await this.register(options)
      } else answer = await this.confirm(smsid, options)
    }
  }

  private async exchange(
    input: Omit<RegistrationRequestInput, 'timeStamp' | 'signingCertificate' | 'messageId'>,
    signal: AbortSignal | undefined
  ): Promise<RegistrationAnswer> {
    const reply = await this.send(input, signal)
    const retryAfterMs = retryAfterOf(reply)
    return {
      ...decodeRegistrationResponse(reply.getBodyToString()),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs })
    }
  }

  /** The verified reply to a message. */
  private async send(
    input: Omit<RegistrationRequestInput, 'timeStamp' | 'signingCertificate' | 'messageId'>,
    signal: AbortSignal | undefined
  ): Promise<SmsMessage> {
    const { messaging, host, agent, proxy, signing, managementPoints } = this.settings
    const { certificate, privateKey } = await this.identity(signing)
    const request = {
      timeStamp: messaging.clock.now(),
      messageId: randomUUID(),
      ...(agent === undefined ? {} : { agent }),
      signingCertificate: proxy?.clientCertificate ?? certificate,
      ...input
    }
    const message = this.message()
    message.setBodyFromString(
      buildRegistrationRequest(request, { privateKey, ...(proxy === undefined ? {} : { proxySmsid: proxy.smsid }) })
    )
    if (input.smsid !== undefined) message.setClientId(input.smsid)
    const reply = await messaging.invoke(host, message, signal === undefined ? {} : { signal })
    const { location, store } = managementPoints ?? { location: LOCAL_MACHINE, store: 'mpsigningcerts' }
    await reply.verifyServerSignature(location, store)
    return reply
  }

  private message(): SmsMessage {
    const { messaging, mode, port, signing, httpProxy, checksRevocation = true } = this.settings
    const message = messaging.createMessage()
    message.setTargetEndpoint('MP_ClientRegistration')
    message.setPort(port)
    if (httpProxy !== undefined) message.setProxy(httpProxy)
    if (mode === 'mixed') {
      message.setSecurityFlags(MIXED_MODE)
      return message
    }
    message.setSecurityFlags(NATIVE_MODE | (checksRevocation ? ENABLE_CRL_CHECKING : 0))
    message.setClientCertificate(signing.location, signing.store, signing.thumbprint)
    return message
  }

  private identity({ location, store, thumbprint }: CertificateReference) {
    return this.settings.messaging.stores.findIdentity(location, store, thumbprint)
  }

  private async wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { wait = sleepFor } = this.settings
    try {
      signal?.throwIfAborted()
      await wait(milliseconds, signal)
      signal?.throwIfAborted()
    } catch (cause) {
      if (signal?.aborted !== true) throw cause
      throw new AppError('withdrawn', 'The wait for the registration was given up.', {}, { cause })
    }
  }
}

async function sleepFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
}

/** `Retry-After` in seconds (RFC 9110, 10.2.3). No signature covers it, so it is held within bounds where it is used. */
function retryAfterOf(reply: SmsMessage): number | undefined {
  try {
    const text = reply.getPropertyByName('Retry-After')
    return /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}

function waitOf({ retryAfterMs = 0 }: RegistrationAnswer, { minWaitMs, maxWaitMs }: WaitOptions): number {
  const least = minWaitMs ?? DEFAULT_WAIT.minimum * 1000
  const most = Math.max(least, maxWaitMs ?? DEFAULT_WAIT.maximum * 1000)
  return Math.min(most, Math.max(least, retryAfterMs))
}

function refused(): AppError {
  return new AppError(
    'registration_refused',
    'The site refuses the registration. Its log and its operators know why: the signature, the certificate, a block or its policy.'
  )
}

function exhausted(sent: number): AppError {
  return new AppError(
    'registration_retry',
    `The site could not process the registration, which was sent ${sent} times.`
  )
}
