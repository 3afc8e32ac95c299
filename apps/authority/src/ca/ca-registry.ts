import { Inject, Injectable } from '@nestjs/common'
import { AppError, type CaId, type Clock } from '@app/core'
import type { KeyStore, Signer } from '@app/keys'
import { CLOCK, CONFIG, distributionUrls, KEY_STORE, type Config, type DistributionUrls } from '@app/platform'
import { CaStore, SelfIssuedStore } from '@app/storage'
import { decodeCertificate, type Certificate } from '@app/x509'

/** A CA that can sign now, with its newest certificate. */
export interface IssuingCa {
  readonly id: CaId
  readonly name: string
  readonly certIndex: number
  readonly keyIndex: number
  readonly certificate: Certificate
  /** DER of the parents, nearest first, up to the root. */
  readonly chain: readonly Uint8Array[]
  /** DER of what leads from older roots of the CA to its present key, the newest first (RFC 4210, 4.4). */
  readonly crossCertificates: readonly Uint8Array[]
  readonly signer: Signer
  /** Where certificates say that the CRL and the CA certificate are. */
  readonly urls: DistributionUrls
}

/**
 * How long a CA is taken to be as it was read, in milliseconds. Then one look at an index tells whether it has been
 * renewed: by another process, which nothing else would tell this one of for certain.
 */
const freshFor = 5000

/** The CAs of the installation and their signing keys, opened once and again when a CA has been renewed. */
@Injectable()
export class CaRegistry {
  private readonly known = new Map<CaId, Map<number | undefined, Promise<IssuingCa>>>()
  private readonly lookedAt = new Map<CaId, number>()

  constructor(
    private readonly cas: CaStore,
    private readonly selfIssued: SelfIssuedStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The CA with its newest certificate, as it was at most five seconds ago. Throws `not_found` when there is no such CA,
   * `ca_certificate_invalid` when it has no certificate yet, and what the key store throws; a later call tries again.
   */
  async get(id: CaId): Promise<IssuingCa> {
    await this.look(id)
    return this.remember(id, undefined)
  }

  /** The CA with the newest certificate of one of its keys. Throws as {@link get}. */
  async getKey(id: CaId, keyIndex: number): Promise<IssuingCa> {
    // Only the newest certificate tells that the CA has been renewed. That it cannot be used is nothing to another key.
    await this.get(id).catch(() => undefined)
    return this.remember(id, keyIndex)
  }

  /** The numbers of the keys that the CA has a certificate for, the oldest first. */
  async listKeys(id: CaId): Promise<readonly number[]> {
    const rows = await this.cas.listCertificates(id)
    return [...new Set(rows.map(({ keyIndex }) => keyIndex))]
  }

  /** Reads the CA anew at the next call: its certificate or key has changed. */
  forget(id: CaId): void {
    this.known.delete(id)
  }

  /** The groups that may enroll at the CA, as they are now; undefined is whoever a template lets. */
  findEnrollGroups(id: CaId): Promise<readonly string[] | undefined> {
    return this.cas.findEnrollGroups(id)
  }

  /** The ids of the CAs that can issue. */
  async listActive(): Promise<readonly CaId[]> {
    return (await this.cas.list()).filter(ca => ca.state === 'active').map(ca => ca.id)
  }

  /** Forgets what has been renewed since. One caller looks, the others take what is known meanwhile. */
  private async look(id: CaId): Promise<void> {
    const now = this.clock.now().getTime()
    const isFresh = Math.abs(now - (this.lookedAt.get(id) ?? 0)) < freshFor
    const known = this.known.get(id)?.get(undefined)
    if (known === undefined || isFresh) return
    this.lookedAt.set(id, now)
    const version = await this.cas.findCurrentVersion(id)
    const { certIndex } = await known
    if (version !== undefined && version.certIndex !== certIndex) this.forget(id)
  }

  private remember(id: CaId, keyIndex: number | undefined): Promise<IssuingCa> {
    const ofCa = this.known.get(id) ?? new Map<number | undefined, Promise<IssuingCa>>()
    this.known.set(id, ofCa)
    const known = ofCa.get(keyIndex)
    if (known !== undefined) return known
    const loading = this.load(id, keyIndex)
    ofCa.set(keyIndex, loading)
    loading.catch(() => ofCa.delete(keyIndex))
    return loading
  }

  private async load(id: CaId, wanted: number | undefined): Promise<IssuingCa> {
    const ca = await this.cas.find(id)
    if (ca === undefined) throw new AppError('not_found', `There is no CA number ${id}.`)
    const rows = await this.cas.listCertificates(id)
    const row = wanted === undefined ? rows.at(-1) : rows.findLast(({ keyIndex }) => keyIndex === wanted)
    if (row === undefined) {
      throw new AppError(
        'ca_certificate_invalid',
        `"${ca.name}" awaits its certificate: install it with "ca init --certificate".`
      )
    }
    const { certIndex, keyIndex } = row
    return {
      id,
      name: ca.name,
      certIndex,
      keyIndex,
      certificate: decodeCertificate(row.certificate),
      chain: row.chain,
      crossCertificates: await this.selfIssued.listNewWithOld(id, this.clock.now()),
      signer: await this.keys.signer(row.keyReference),
      urls: distributionUrls(this.config.httpBaseUrl, { id, keyIndex, certIndex })
    }
  }
}
