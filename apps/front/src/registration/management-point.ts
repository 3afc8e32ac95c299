import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { Inject, Injectable } from '@nestjs/common'
import { isAppError, type Clock, type Entropy } from '@app/core'
import { newSerialNumber } from '@app/issuance'
import type { KeyStore, Signer } from '@app/keys'
import { CLOCK, ENTROPY, KEY_STORE } from '@app/platform'
import {
  buildManagementPointCertificate,
  joinedSignature,
  signReply,
  type ReplySignature,
  type ReplySigner,
  type ReplyToSign
} from '@app/registration'
import { SiteStore } from '@app/storage'

/**
 * Signs replies. The key is made at the first start and stays in this process's key store; its certificate stands in the
 * database, where clients and operators find those of all management points.
 */
@Injectable()
export class ManagementPoint {
  private signer: Promise<ReplySigner> | undefined

  constructor(
    private readonly site: SiteStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(ENTROPY) private readonly entropy: Entropy
  ) {}

  /** Opens the key, or makes it. Throws what the key store throws. */
  async open(): Promise<void> {
    await this.current()
  }

  /** The headers that prove a reply. */
  async sign(reply: ReplyToSign): Promise<ReplySignature> {
    return signReply(reply, await this.current(), this.clock.now())
  }

  private current(): Promise<ReplySigner> {
    this.signer ??= this.find().catch((error: unknown) => {
      this.signer = undefined
      throw error
    })
    return this.signer
  }

  private async find(): Promise<ReplySigner> {
    for (const { certificate, keyReference } of await this.site.listManagementPoints()) {
      const signer = await this.signerOf(keyReference)
      if (signer !== undefined) return replySigner(certificate, signer)
    }
    return this.make()
  }

  /** Undefined for the key of another process. */
  private async signerOf(reference: string): Promise<Signer | undefined> {
    try {
      return await this.keys.signer(reference)
    } catch (error) {
      if (isAppError(error, 'not_found')) return undefined
      throw error
    }
  }

  /** The row comes last: a key that no row names is used by nobody. */
  private async make(): Promise<ReplySigner> {
    const { reference } = await this.keys.generate('p-256', 'management-point')
    const signer = await this.keys.signer(reference)
    const now = this.clock.now()
    const name = `SMS Signing Certificate ${hostname()}`.slice(0, 64)
    const serialNumber = newSerialNumber(this.entropy)
    const certificate = Buffer.from(await buildManagementPointCertificate(signer, { name, serialNumber, now }))
    const sha256 = createHash('sha256').update(certificate).digest()
    const point = { id: randomUUID(), certificate, sha256, keyReference: reference, createdAt: now }
    await this.site.addManagementPoint(point, { actor: 'role:front' })
    return replySigner(certificate, signer)
  }
}

function replySigner(certificate: Uint8Array, signer: Signer): ReplySigner {
  return { certificate, sign: async base => joinedSignature(await signer.sign(base)) }
}
