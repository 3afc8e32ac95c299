import { readFile } from 'node:fs/promises'
import { AppError, type Clock } from '@app/core'
import { writeNewFile } from '@app/files'
import { verifyReply, type MessageHash, type ReceivedReply } from '@app/registration'
import type { CertificateStores } from './certificate-stores.js'
import type { CertStoreLocation } from './enumerations.js'

/** A file that goes with a message. */
export class SmsMessageAttachment {
  /** @param name how the receiver finds it */
  constructor(
    readonly name: string,
    private readonly bytes: Uint8Array
  ) {}

  /** In octets. */
  get length(): number {
    return this.bytes.length
  }

  copyToBuffer(): Uint8Array {
    return Uint8Array.from(this.bytes)
  }

  /** Throws `file_exists`. */
  async copyToFile(path: string): Promise<void> {
    await writeNewFile(path, this.bytes, 0o600)
  }
}

/** A certificate of a store: which one a message is sent with. */
export interface CertificateReference {
  readonly location: CertStoreLocation
  readonly store: string
  /** SHA-1 or SHA-256 of the certificate. */
  readonly thumbprint: string | Uint8Array
}

/** What a reply brings along to be verified by. */
export interface ReplyMaterial {
  readonly reply: ReceivedReply
  readonly stores: CertificateStores
  readonly clock: Clock
}

const MAX_TIMEOUT = 3600

/**
 * A message to a management point or its reply, after ISmsMessage, ISmsMessage2 and ISmsMessage4 of the Configuration
 * Manager SDK. The body of a reply is handed out only after {@link verifyServerSignature} has succeeded.
 */
export class SmsMessage {
  private endpoint = ''
  private timeoutSeconds = 60
  private body: Uint8Array = new Uint8Array()
  private readonly attachments: SmsMessageAttachment[] = []
  private readonly properties = new Map<string, string>()
  private clientId: string | undefined
  private flags = 0
  private flagsSet = false
  private port: number | undefined
  private proxy: URL | undefined
  private identity: CertificateReference | undefined
  private encryptionStore: Omit<CertificateReference, 'thumbprint'> | undefined
  private hash: MessageHash = 'sha256'
  private isVerified = false

  /** Made by `SmsMessaging`: without a reply it is a message to send. */
  constructor(private readonly material?: ReplyMaterial) {
    if (material !== undefined) this.body = material.reply.body
  }

  getTargetEndpoint(): string {
    return this.endpoint
  }

  setTargetEndpoint(endpoint: string): void {
    this.endpoint = endpoint
  }

  /** In seconds. */
  getTimeout(): number {
    return this.timeoutSeconds
  }

  /** How long the reply may take, in seconds, 1 to 3600; 60 unless set. */
  setTimeout(seconds: number): void {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_TIMEOUT) {
      throw new AppError('invalid_argument', `A timeout has 1 to ${MAX_TIMEOUT} seconds.`)
    }
    this.timeoutSeconds = seconds
  }

  /** As UTF-8. */
  setBodyFromString(text: string): void {
    this.body = Buffer.from(text, 'utf8')
  }

  setBodyFromBuffer(bytes: Uint8Array): void {
    this.body = Uint8Array.from(bytes)
  }

  async setBodyFromFile(path: string): Promise<void> {
    this.body = await readFile(path)
  }

  /** Throws `reply_signature_invalid` for a reply whose signature has not been verified. */
  getBodyToString(): string {
    return Buffer.from(this.getBodyToBuffer()).toString('utf8')
  }

  /** Throws as {@link getBodyToString}. */
  getBodyToBuffer(): Uint8Array {
    if (this.material !== undefined && !this.isVerified) {
      throw new AppError(
        'reply_signature_invalid',
        'The signature of the reply has not been verified. Call verifyServerSignature first.'
      )
    }
    return Uint8Array.from(this.body)
  }

  /** Throws as {@link getBodyToString}, and `file_exists`. */
  async getBodyToFile(path: string): Promise<void> {
    await writeNewFile(path, this.getBodyToBuffer(), 0o600)
  }

  /** In octets. */
  getBodyLength(): number {
    return this.body.length
  }

  setAttachmentFromBuffer(name: string, bytes: Uint8Array): void {
    this.attachments.push(new SmsMessageAttachment(name, Uint8Array.from(bytes)))
  }

  async setAttachmentFromFile(name: string, path: string): Promise<void> {
    this.attachments.push(new SmsMessageAttachment(name, await readFile(path)))
  }

  getAttachmentCount(): number {
    return this.attachments.length
  }

  /** The first one has the index 0. Throws `not_found`. */
  getAttachmentByIndex(index: number): SmsMessageAttachment {
    return found(this.attachments[index], `an attachment ${index}`)
  }

  /** Throws `not_found`. */
  getAttachmentByName(name: string): SmsMessageAttachment {
    return found(
      this.attachments.find(attachment => attachment.name === name),
      `an attachment "${name}"`
    )
  }

  setProperty(name: string, value: string): void {
    this.properties.set(name.toLowerCase(), value)
  }

  /** A property that was set; of a reply also its headers, as `Retry-After`. Throws `not_found`. */
  getPropertyByName(name: string): string {
    const key = name.toLowerCase()
    return found(this.properties.get(key) ?? this.material?.reply.headers[key], `a property "${name}"`)
  }

  /** The SMSID of the client that the message is of (ISmsMessage2). */
  setClientId(smsid: string): void {
    this.clientId = smsid
  }

  getClientId(): string | undefined {
    return this.clientId
  }

  /** A combination of `MPAPI_SECURITY_FLAG`; set it before the message is sent. */
  setSecurityFlags(flags: number): void {
    this.flags = flags >>> 0
    this.flagsSet = true
  }

  /** The certificate of the TLS connection, and with it the key. */
  setClientCertificate(location: CertStoreLocation, store: string, thumbprint: string | Uint8Array): void {
    this.identity = { location, store, thumbprint }
  }

  /** The store with the certificates of the management points to encrypt to; of mixed mode only. */
  setEncryptionCertificatesStore(location: CertStoreLocation, store: string): void {
    this.encryptionStore = { location, store }
  }

  /** The digest of signatures by its name or by the OID of RSA with it: SHA-256, or SHA-1 for older sites. */
  setHashAlgorithm(algorithm: string): void {
    const name = algorithm.replaceAll('-', '').toLowerCase()
    if (name === 'sha256' || name === '1.2.840.113549.1.1.11') this.hash = 'sha256'
    else if (name === 'sha1' || name === '1.2.840.113549.1.1.5') this.hash = 'sha1'
    else throw new AppError('invalid_argument', `"${algorithm}" is neither SHA-256 nor SHA-1.`)
  }

  getHashAlgorithm(): MessageHash {
    return this.hash
  }

  setPort(port: number): void {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new AppError('invalid_argument', `${port} is no port.`)
    }
    this.port = port
  }

  /** `http://host:port` of the proxy to go through; empty for none. */
  setProxy(address: string): void {
    const url = address === '' ? undefined : URL.parse(address)
    if (url === null || (url !== undefined && url.protocol !== 'http:')) {
      throw new AppError('invalid_argument', `"${address}" is no http address of a proxy.`)
    }
    this.proxy = url
  }

  /**
   * Verifies that the reply was signed by a management point whose certificate is in the store, is the answer to the
   * message that was sent, and has not been altered. Throws `reply_signature_invalid`, and then keeps the body back for
   * good; `conflict` for a message that is no reply.
   */
  async verifyServerSignature(location: CertStoreLocation, store: string): Promise<void> {
    if (this.material === undefined) throw new AppError('conflict', 'Only a reply has a signature of the server.')
    this.isVerified = false
    const { reply, stores, clock } = this.material
    verifyReply(reply, await stores.list(location, store), clock.now())
    this.isVerified = true
  }

  /** @internal What `SmsMessaging` sends. Throws `conflict` for a reply. */
  toSend() {
    if (this.material !== undefined) throw new AppError('conflict', 'A reply cannot be sent.')
    const { endpoint, timeoutSeconds, body, attachments, clientId, flags, flagsSet, port, proxy, identity } = this
    const { encryptionStore } = this
    return {
      endpoint,
      timeoutSeconds,
      body,
      attachments,
      clientId,
      flags,
      flagsSet,
      port,
      proxy,
      identity,
      encryptionStore
    }
  }
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new AppError('not_found', `The message has not ${what}.`)
  return value
}
