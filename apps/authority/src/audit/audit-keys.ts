import { Inject, Injectable } from '@nestjs/common'
import { auditKeyId, type Checkpoint, type CheckpointFacts, encodeCheckpoint } from '@app/audit'
import { equalBytes, isAppError, type Clock } from '@app/core'
import type { KeyStore, Signer } from '@app/keys'
import { CLOCK, KEY_STORE } from '@app/platform'
import { AuditChainStore } from '@app/storage'

const because = { actor: 'role:authority' }

interface OpenedKey {
  readonly id: number
  readonly keyId: Uint8Array
  readonly signer: Signer
}

/** The key that checkpoints of the audit log are signed with and nothing else is: made when there is none. */
@Injectable()
export class AuditKeys {
  private opened: Promise<OpenedKey> | undefined

  constructor(
    private readonly chain: AuditChainStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** A signed checkpoint, and the row of its key. Throws what the key store throws; a later call tries again. */
  async sign(
    facts: Omit<CheckpointFacts, 'keyId'>
  ): Promise<{ readonly checkpoint: Checkpoint; readonly key: number }> {
    this.opened ??= this.open()
    try {
      const { id, keyId, signer } = await this.opened
      const signed = { ...facts, keyId }
      return { checkpoint: { ...signed, signature: await signer.sign(encodeCheckpoint(signed)) }, key: id }
    } catch (error) {
      this.opened = undefined
      throw error
    }
  }

  /** Of several authorities that share a key store and start at once, one makes the key. */
  private async open(): Promise<OpenedKey> {
    return (await this.own()) ?? this.chain.exclusively(async () => (await this.own()) ?? this.make())
  }

  private async own(): Promise<OpenedKey | undefined> {
    for (const row of (await this.chain.listKeys()).toReversed()) {
      const signer = await this.find(row.keyReference)
      // A row that names another key than the store has is not one that this authority wrote.
      if (signer === undefined || !equalBytes(signer.publicKey.raw, row.publicKey)) continue
      return { id: row.id, keyId: auditKeyId(row.publicKey), signer }
    }
    return undefined
  }

  private async make(): Promise<OpenedKey> {
    const { reference, publicKey } = await this.keys.generate('p-256', 'audit')
    const key = { keyReference: reference, publicKey: publicKey.raw, createdAt: this.clock.now() }
    const id = await this.chain.addKey(key, because)
    return { id, keyId: auditKeyId(publicKey.raw), signer: await this.keys.signer(reference) }
  }

  private async find(reference: string): Promise<Signer | undefined> {
    try {
      return await this.keys.signer(reference)
    } catch (error) {
      if (isAppError(error, 'not_found') || isAppError(error, 'invalid_argument')) return undefined
      throw error
    }
  }
}
