import { randomBytes, type KeyObject } from 'node:crypto'
import type { ContentEncryptionName, KeyTransport } from '@app/cms'
import { AppError, systemClock, type Clock, type Entropy } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { generateKeyPairOf, publicHalfOf, type KeySpec } from '@app/keys'
import { certificatesIn, getTrustedExchangeCertificate, type CertificateInput } from './exchange-certificate.js'
import { installPem, installPkcs12, type PemInstallation, type PemPaths } from './installation.js'
import type { KeyWrapping } from './key-envelope.js'
import { decodePending, encodePending, type PendingEnrollment } from './pending-enrollment.js'
import { decodePrivateKey, encodePrivateKeyPem } from './private-key-pem.js'
import { buildRequest, type RequestOptions, type RequestTies } from './request-creation.js'
import { verifyResponse, type Expectation } from './response-acceptance.js'

/** What an {@link Enrollment} works with. */
export interface EnrollmentSettings {
  /** PEM of the roots that the CA must chain to. */
  readonly trust: string
  /** The CA's exchange certificate; when given, the private key goes along with the request, encrypted to it. */
  readonly privateKeyArchiveCertificate?: CertificateInput
  /** DER of certificates between the exchange certificate and the root, in any order. */
  readonly chain?: readonly Uint8Array[]
  /** The kind of key to make, or a key that exists; `rsa-2048` when left out. */
  readonly key?: { readonly algorithm: KeySpec } | { readonly privateKey: KeyObject }
  /** How the archived key is encrypted; `aes-256-cbc` when left out. */
  readonly contentEncryption?: ContentEncryptionName
  /** How the content key is encrypted; RSAES-PKCS1-v1_5 when left out. */
  readonly keyTransport?: KeyTransport
  readonly clock?: Clock
  readonly entropy?: Entropy
}

/** An issued certificate that has been found to be the answer to the request. */
export interface AcceptedCertificate {
  /** DER */
  readonly certificate: Uint8Array
  /** DER of the issuing CA's certificate and those above it, the nearest first. */
  readonly chain: readonly Uint8Array[]
  /** A handle; the key's bytes stay inside until they are installed. */
  readonly privateKey: KeyObject
}

/** A request as it can be kept until its response comes. */
export interface ExportedPending {
  /** PKCS#8 PEM: a secret unless a passphrase was given. */
  readonly privateKey: string
  readonly state: PendingEnrollment
}

const machineEntropy: Entropy = { bytes: length => randomBytes(length) }

interface Pending {
  readonly privateKey: KeyObject
  readonly expected: Expectation
  readonly requestId?: number
}

/**
 * One enrollment on the client's side, after ICEnroll4: makes a key and a request, later accepts the CA's response and
 * installs the certificate. An object makes one request; it can be kept with {@link exportPending} and taken up in
 * another process with {@link Enrollment.restore}.
 */
export class Enrollment {
  private readonly clock: Clock
  private pending: Pending | undefined
  private accepted: AcceptedCertificate | undefined

  constructor(private readonly settings: EnrollmentSettings) {
    this.clock = settings.clock ?? systemClock
  }

  /** Takes up an enrollment whose request was kept. Throws `key_store_locked` or `key_store_invalid`. */
  static restore(
    exported: { readonly privateKey: string | Uint8Array; readonly state: unknown; readonly passphrase?: string },
    settings: Pick<EnrollmentSettings, 'trust' | 'clock'>
  ): Enrollment {
    const privateKey = decodePrivateKey(exported.privateKey, exported.passphrase)
    const { requestId, ...expected } = decodePending(exported.state, publicHalfOf(privateKey))
    const enrollment = new Enrollment(settings)
    enrollment.pending = { privateKey, expected, ...(requestId === undefined ? {} : { requestId }) }
    return enrollment
  }

  /**
   * Makes the request, DER. With an exchange certificate the private key is archived, which PKCS#10 and PKCS#7 cannot
   * do. A renewal and a request on behalf of another are signed by others too; see the options. Throws
   * `conflict` when the object has made its request, `chain_invalid` when the exchange certificate must not be used,
   * `invalid_argument` for what cannot be asked for.
   */
  async createRequest(options: RequestOptions): Promise<Uint8Array> {
    if (this.pending !== undefined) {
      throw new AppError('conflict', 'This enrollment has made its request; its key would be lost. Make another one.')
    }
    const wrapping = await this.keyWrapping(options)
    const privateKey = options.renew?.keepKey === true ? options.renew.privateKey : await this.privateKey()
    const isCmc = options.type === 'cmc' || options.type === 'crmf'
    const ties = isCmc ? this.freshTies() : undefined
    const material = {
      privateKey,
      ...(wrapping === undefined ? {} : { wrapping }),
      ...(ties === undefined ? {} : { ties })
    }
    const { request, keyHash } = await buildRequest(options, material)
    this.pending = {
      privateKey,
      expected: {
        type: options.type,
        publicKey: publicHalfOf(privateKey),
        ...(ties === undefined ? {} : { ties }),
        ...(keyHash === undefined ? {} : { keyHash })
      }
    }
    return request
  }

  /**
   * Accepts the CA's full response (DER, PEM or base64) when it is the answer to this request in every point; see
   * `verifyResponse` for the points and their codes. Throws `conflict` when no request has been made.
   */
  async acceptResponse(fullResponse: Uint8Array | string): Promise<AcceptedCertificate> {
    const { privateKey, expected } = this.getPending()
    const bytes = decodeDerPemOrBase64(
      typeof fullResponse === 'string' ? Buffer.from(fullResponse, 'latin1') : fullResponse
    )
    const { certificate, chain } = await verifyResponse(bytes, expected, this.settings.trust, this.clock.now())
    this.accepted = { certificate: certificate.raw, chain: chain.map(({ raw }) => raw), privateKey }
    return this.accepted
  }

  /**
   * The private key and what ties the response to the request, to be kept until the response comes. The key is
   * encrypted when a passphrase is given. Throws `conflict` when no request has been made.
   */
  async exportPending(
    options: { readonly passphrase?: string; readonly requestId?: number } = {}
  ): Promise<ExportedPending> {
    const { privateKey, expected, requestId } = this.getPending()
    return {
      privateKey: await encodePrivateKeyPem(privateKey, options.passphrase),
      state: encodePending(expected, options.requestId ?? requestId)
    }
  }

  /** The number of the request as it was kept; undefined when it was not known then. */
  get requestId(): number | undefined {
    return this.pending?.requestId
  }

  /** Whether the request carries the private key for the CA to archive. */
  get archivesKey(): boolean {
    return this.pending?.expected.keyHash !== undefined
  }

  /**
   * Writes the key (mode 0600), the certificate and its chain (0644) as PEM, into a directory or under the paths given.
   * Throws `file_exists` and writes nothing when one of them exists, `conflict` before a response was accepted.
   */
  async installAsPem(
    target: string | PemPaths,
    options: { readonly passphrase?: string } = {}
  ): Promise<PemInstallation> {
    return await installPem(this.getAccepted(), target, options.passphrase)
  }

  /** Writes one PKCS#12 file (mode 0600) with key, certificate and chain. Throws as {@link installAsPem}. */
  async installAsPkcs12(path: string, password: string): Promise<void> {
    await installPkcs12(this.getAccepted(), path, password)
  }

  private async keyWrapping({ type }: RequestOptions): Promise<KeyWrapping | undefined> {
    const { privateKeyArchiveCertificate, chain = [], trust, contentEncryption, keyTransport } = this.settings
    if (privateKeyArchiveCertificate === undefined) return undefined
    if (type === 'pkcs10' || type === 'pkcs7') {
      throw new AppError(
        'invalid_argument',
        'A PKCS#10 or PKCS#7 request cannot carry a private key; use the type cmc or crmf.'
      )
    }
    const certificates = [...certificatesIn(privateKeyArchiveCertificate), ...chain]
    return {
      exchangeCertificate: await getTrustedExchangeCertificate(certificates, trust, this.clock.now()),
      ...(contentEncryption === undefined ? {} : { contentEncryption }),
      ...(keyTransport === undefined ? {} : { keyTransport }),
      entropy: this.entropy
    }
  }

  private async privateKey(): Promise<KeyObject> {
    const { key = { algorithm: 'rsa-2048' } } = this.settings
    return 'privateKey' in key ? key.privateKey : (await generateKeyPairOf(key.algorithm)).privateKey
  }

  private get entropy(): Entropy {
    return this.settings.entropy ?? machineEntropy
  }

  private freshTies(): RequestTies {
    const transactionId = Uint8Array.from(this.entropy.bytes(16))
    // A positive INTEGER of exactly 16 octets.
    transactionId[0] = ((transactionId[0] ?? 0) & 0x3f) | 0x40
    return { transactionId, senderNonce: this.entropy.bytes(16) }
  }

  private getPending(): Pending {
    if (this.pending === undefined) {
      throw new AppError('conflict', 'This enrollment has made no request yet. Call createRequest first.')
    }
    return this.pending
  }

  private getAccepted(): AcceptedCertificate {
    if (this.accepted === undefined) {
      throw new AppError('conflict', 'This enrollment has accepted no response yet. Call acceptResponse first.')
    }
    return this.accepted
  }
}
