import { AppError, equalBytes, fromBase64, toBase64 } from '@app/core'
import { encodeSequence } from '@app/der'
import {
  checkRegistrationCall,
  proveCertificatePossession,
  registrationHresult,
  userCertDigest,
  type RegistrationCode
} from '@app/directory'
import { generateKeyPairOf, publicHalfOf, signerOf, type KeySpec } from '@app/keys'
import { buildCertificationRequest, decodeCertificate } from '@app/x509'
import type { PersonalStore, StoredIdentity } from './personal-store.js'
import { Transport, type ConnectionSettings } from './transport.js'

/** What {@link CertificateDirectory} needs to know. */
export interface CertificateDirectorySettings extends ConnectionSettings {
  /** Keeps internal certificates and the keys of external ones; needed for internal ones. */
  readonly store?: PersonalStore
  /** The kind of key that an internal certificate gets; `p-256` if absent. */
  readonly key?: KeySpec
}

/** A call of {@link CertificateDirectory.registerCertificate}. */
export interface RegisterOptions {
  /** MQCERT_REGISTER_ALWAYS (1), which is meant when absent, or MQCERT_REGISTER_IF_NOT_EXIST (2). */
  readonly flags?: string | number
  /** An external certificate, DER; absent for an internal one. */
  readonly certificate?: Uint8Array
}

/** What a registration came to. An information is no error and is answered. */
export interface Registration {
  /** `0x` and eight hexadecimal digits. */
  readonly hresult: string
  readonly code: RegistrationCode
  /** MD5 of the certificate, hexadecimal: what the directory finds it by. */
  readonly digest: string
  /** A GUID; absent when the directory was not asked. */
  readonly identifier?: string
  /** DER */
  readonly certificate: Uint8Array
}

/** A certificate that is registered. */
export interface RegisteredCertificate {
  readonly digest: string
  readonly sha256: string
  readonly identifier: string
  readonly kind: 'internal' | 'external'
  readonly machineId?: string
  readonly subject: string
  readonly notBefore: string
  readonly notAfter: string
  readonly registeredAt: string
}

/** A certificate to which mail can be, or could once be, encrypted. */
export interface MailCertificate {
  readonly serialNumber: string
  readonly subject: string
  readonly notBefore: string
  readonly notAfter: string
  readonly publishedAt: string
  readonly state: 'good' | 'not_yet_valid' | 'expired' | 'revoked'
  readonly revokedAt?: string
  /** DER in base64. */
  readonly certificate: string
}

interface RegistrationAnswer {
  readonly hresult: string
  readonly code: RegistrationCode
  readonly digest: string
  readonly identifier: string
  readonly certificate: string
}

const base = '/api/v1/directory/users'
const at = (user: string, ...rest: readonly string[]): string =>
  [base, ...[user, ...rest].map(encodeURIComponent)].join('/')

/** The certificates of users in the directory (MQRegisterCertificate). Safe for many calls at a time. */
export class CertificateDirectory implements AsyncDisposable {
  private readonly transport: Transport

  constructor(private readonly settings: CertificateDirectorySettings) {
    this.transport = new Transport(settings)
  }

  /**
   * Registers an internal or external certificate under the caller's own account. With IF_NOT_EXIST, an internal
   * certificate in the caller's own store is all that is looked at: the directory is not asked. With ALWAYS, the one
   * before and its key are replaced once the new one is registered, and stay when that fails.
   * Throws the codes of MQRegisterCertificate, `invalid_argument` without a store for an internal certificate.
   */
  async registerCertificate({ flags, certificate }: RegisterOptions = {}): Promise<Registration> {
    const call = checkRegistrationCall({ flags, certificate })
    if (call.kind === 'external') return this.registerExternal(call.certificate.raw)
    const store = this.requireStore()
    const known = call.flag === 'MQCERT_REGISTER_IF_NOT_EXIST' ? await store.findInternal() : undefined
    if (known !== undefined) return alreadyThere(known)
    const { privateKey } = await generateKeyPairOf(this.settings.key ?? 'p-256')
    const signer = signerOf(privateKey)
    const publicKey = publicHalfOf(privateKey).raw
    const parts = { subject: encodeSequence(), publicKey, attributes: [] }
    const csr = await buildCertificationRequest(parts, signer.scheme, info => signer.sign(info))
    const answer = await this.post({ flags: call.flag, machineId: store.machineId, csr: toBase64(csr) })
    const registration = registrationOf(answer)
    if (registration.code !== 'MQ_OK') return registration
    if (!equalBytes(decodeCertificate(registration.certificate).publicKey.raw, publicKey)) {
      throw new AppError('response_key_mismatch', 'The server registered a certificate for another key.')
    }
    await store.replaceInternal({ certificate: registration.certificate, privateKey })
    return registration
  }

  /** The certificates of an account: `me`, a SID, a UPN, an account or `DOMAIN\account`. Throws `not_found`. */
  async list(user = 'me'): Promise<readonly RegisteredCertificate[]> {
    const { items } = await this.transport.json<{ items: RegisteredCertificate[] }>({ path: at(user, 'certificates') })
    return items
  }

  /** One certificate, DER, by its digest. Throws `not_found`. */
  async fetch(digest: string, user = 'me'): Promise<Uint8Array> {
    return (await this.transport.call({ path: at(user, 'certificates', digest) })).body
  }

  /** Takes a certificate of the caller from the directory; the store keeps its key. Throws `not_found`. */
  async deregister(digest: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: at('me', 'certificates', digest) })
  }

  /** The value of mSMQSignCertificates of an account (MS-MQMQ 2.2.21). */
  async exportUserSignCerts(user = 'me'): Promise<Uint8Array> {
    return (await this.transport.call({ path: at(user, 'mqusersigncerts') })).body
  }

  /** The certificate to which mail for an address is encrypted now. Throws `not_found`. */
  async findEncryptionCertificate(mail: string): Promise<MailCertificate> {
    const [current] = await this.mailCertificates(mail, false)
    if (current !== undefined) return current
    throw new AppError('not_found', `There is no certificate for "${mail}".`)
  }

  /** All certificates to which mail for an address was ever encrypted, the newest first. Throws `not_found`. */
  listEncryptionCertificates(mail: string): Promise<readonly MailCertificate[]> {
    return this.mailCertificates(mail, true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  private async mailCertificates(mail: string, history: boolean): Promise<readonly MailCertificate[]> {
    const path = '/api/v1/directory/encryption-certificates'
    return (await this.transport.json<{ items: MailCertificate[] }>({ path, query: { mail, history } })).items
  }

  /** Where the store has the key, its possession is proved: a server may ask for that. */
  private async registerExternal(certificate: Uint8Array): Promise<Registration> {
    const identity = await this.settings.store?.find(certificate)
    const proof = identity === undefined ? {} : { proof: await this.prove(identity) }
    return registrationOf(await this.post({ flags: 1, certificate: toBase64(certificate), ...proof }))
  }

  private async prove({ certificate, privateKey }: StoredIdentity): Promise<{ nonce: string; signature: string }> {
    const { nonce } = await this.transport.json<{ nonce: string }>({
      method: 'POST',
      path: at('me', 'certificate-nonces'),
      json: {}
    })
    const { sid } = await this.transport.json<{ sid: string }>({ path: at('me', 'certificates') })
    return { nonce, signature: toBase64(proveCertificatePossession({ sid, certificate, nonce }, privateKey)) }
  }

  private post(json: object): Promise<RegistrationAnswer> {
    return this.transport.json({ method: 'POST', path: at('me', 'certificates'), json, wait: 30 })
  }

  private requireStore(): PersonalStore {
    if (this.settings.store !== undefined) return this.settings.store
    throw new AppError('invalid_argument', 'An internal certificate needs a store that keeps its key.')
  }
}

function alreadyThere({ certificate }: StoredIdentity): Registration {
  const code = 'MQ_INFORMATION_INTERNAL_USER_CERT_EXIST'
  const digest = Buffer.from(userCertDigest(certificate)).toString('hex')
  return { code, hresult: registrationHresult(code), digest, certificate }
}

function registrationOf({ certificate, ...answer }: RegistrationAnswer): Registration {
  return { ...answer, certificate: fromBase64(certificate) ?? Buffer.alloc(0) }
}
