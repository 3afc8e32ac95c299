import { Inject, Injectable } from '@nestjs/common'
import type { SignerIdentifier } from '@app/cms'
import { AppError, toHex, type CaId, type Clock, type ExchangeKeyId } from '@app/core'
import type { Decrypter, KeyStore } from '@app/keys'
import { CLOCK, KEY_STORE } from '@app/platform'
import { ArchiveStore, CaStore, ExchangeKeyStore, type ExchangeKeyRow } from '@app/storage'

/** One day, as CAXchgOverlapPeriod has it: in its last day an exchange certificate is no longer handed out. */
const overlap = 24 * 3_600_000
/** How long a key outlives its certificate when no request needs it any more. */
const afterlife = 24 * 3_600_000

const because = { actor: 'role:archive' }

/** A request with an archived key, and whom that is encrypted to. */
export interface WrappedTo {
  readonly caId: CaId
  readonly submittedAt: Date
  readonly recipient: SignerIdentifier
}

/** The keys that clients wrap their private keys to: made when needed, used, destroyed (MS-WCCE 3.2.1.4.3.2.15). */
@Injectable()
export class ExchangeKeys {
  private readonly decrypters = new Map<ExchangeKeyId, Promise<Decrypter>>()

  constructor(
    private readonly keys: ExchangeKeyStore,
    private readonly cas: CaStore,
    private readonly archive: ArchiveStore,
    @Inject(KEY_STORE) private readonly keyStore: KeyStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Finds the keys for a batch of requests: for each the key that its recipient names, if the request was submitted
   * while the certificate was valid. Each key is read once for the batch. What it returns throws
   * `exchange_recipient_unknown` or `exchange_key_gone`, and what the key store throws.
   */
  batch(): (wrapped: WrappedTo) => Promise<Decrypter> {
    const rows = new Map<string, Promise<ExchangeKeyRow | undefined>>()
    const find = (issuer: Uint8Array, serialNumber: Uint8Array): Promise<ExchangeKeyRow | undefined> => {
      const name = `${toHex(serialNumber)} ${toHex(issuer)}`
      const row = rows.get(name) ?? this.keys.findByRecipient(issuer, serialNumber)
      rows.set(name, row)
      return row
    }
    return async wrapped => {
      const { recipient } = wrapped
      const isNamed = recipient.kind === 'issuerAndSerial'
      return this.decrypterOf(isNamed ? await find(recipient.issuer, recipient.serialNumber) : undefined, wrapped)
    }
  }

  private decrypterOf(row: ExchangeKeyRow | undefined, { caId, submittedAt }: WrappedTo): Promise<Decrypter> {
    if (row === undefined || row.caId !== caId) {
      throw new AppError(
        'exchange_recipient_unknown',
        'The private key is wrapped to a certificate that is not an exchange certificate of this CA. Fetch the exchange certificate again and make a new request.'
      )
    }
    if (row.state === 'destroyed' || row.notAfter === null || row.notAfter < submittedAt) {
      throw new AppError(
        'exchange_key_gone',
        'The exchange certificate that the private key is wrapped to had expired. Fetch the current one and make a new request.'
      )
    }
    return this.open(row)
  }

  /** Makes a key for every active CA that has no usable exchange certificate and none on its way. */
  async provide(): Promise<number> {
    let made = 0
    for (const ca of await this.cas.list()) {
      if (ca.state === 'active' && (await this.isNeeded(ca.id))) {
        await this.generate(ca.id)
        made++
      }
    }
    return made
  }

  /** Destroys keys whose certificate has ended and that no waiting request is wrapped to. */
  async retire(): Promise<void> {
    const now = this.clock.now()
    const ended = (await this.keys.listInState('certified')).filter(
      key => key.notAfter !== null && key.notAfter.getTime() + afterlife < now.getTime()
    )
    for (const key of ended) {
      // A request that came while the certificate was valid may be wrapped to it and wait for its approval still.
      if (key.notAfter === null || (await this.archive.hasEnvelopesFrom(key.notAfter))) continue
      await this.keyStore.destroy(key.keyReference)
      // failpoint: exchange-key.destroyed
      this.decrypters.delete(key.id)
      await this.keys.destroy(key.id, because, now)
    }
  }

  private async isNeeded(caId: CaId): Promise<boolean> {
    const now = this.clock.now().getTime()
    const keys = await this.keys.list(caId)
    const current = await this.cas.findCurrentVersion(caId)
    const onItsWay = keys.some(key => key.state === 'generated' || key.state === 'requested')
    const usable = keys.some(
      // An imported key opens what was wrapped to it elsewhere, and one certified with an earlier key of the CA what was
      // wrapped to it before the renewal; neither is handed out.
      key =>
        key.state === 'certified' &&
        !key.imported &&
        key.caKeyIndex === current?.keyIndex &&
        (key.notAfter?.getTime() ?? 0) > now + overlap
    )
    return !onItsWay && !usable
  }

  private async generate(caId: CaId): Promise<void> {
    // RSA whatever the CA's own key is: Windows clients know no other key transport.
    const { reference, publicKey } = await this.keyStore.generate('rsa-2048', `exchange-${caId}`)
    // failpoint: exchange-key.generated
    const createdAt = this.clock.now()
    const key = { caId, keyReference: reference, publicKey: Buffer.from(publicKey.raw), imported: false, createdAt }
    await this.keys.add(key, because)
  }

  private open(row: ExchangeKeyRow): Promise<Decrypter> {
    const known = this.decrypters.get(row.id)
    if (known !== undefined) return known
    const opened = this.keyStore.decrypter(row.keyReference)
    this.decrypters.set(row.id, opened)
    opened.catch(() => this.decrypters.delete(row.id))
    return opened
  }
}
