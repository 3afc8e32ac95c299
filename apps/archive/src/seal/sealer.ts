import { Inject, Injectable } from '@nestjs/common'
import type { Entropy } from '@app/core'
import {
  archivedKeyRecipient,
  openArchivedKey,
  sealToAgents,
  sealToThreshold,
  verifySealedKey,
  verifyThresholdSealedKey,
  type OpenedKey,
  type StrengthDemand
} from '@app/escrow'
import { ENTROPY } from '@app/platform'
import type { NewSealedKey } from '@app/storage'
import { decodePublicKey, type PublicKeyInfo } from '@app/x509'
import type { ExchangeKeys, WrappedTo } from '../inventory/exchange-keys.js'
import type { Sealing } from './sealing-agents.js'

/** A private key as it came, wrapped to an exchange key. */
export interface WrappedKey extends Omit<WrappedTo, 'recipient'>, StrengthDemand {
  /** ContentInfo, DER. */
  readonly envelope: Uint8Array
  /** SubjectPublicKeyInfo of the public half that the key must have, DER. */
  readonly publicKey: Uint8Array
}

/** A sealed key that is not anybody's yet. */
export type SealedForm = Omit<NewSealedKey, 'requestId'>

/**
 * Opens what came wrapped to an exchange key, and seals it to recovery agents: the only place that does, for whatever is
 * archived.
 */
@Injectable()
export class Sealer {
  constructor(@Inject(ENTROPY) private readonly entropy: Entropy) {}

  /**
   * The sealed form, read back as it will be stored. Throws what `archivedKeyRecipient`, the finder of the exchange key and
   * `openArchivedKey` throw.
   */
  async seal(
    wrapped: WrappedKey,
    sealing: Sealing,
    decrypterFor: ReturnType<ExchangeKeys['batch']>,
    sealedAt: Date
  ): Promise<SealedForm> {
    const { envelope, publicKey, caId, submittedAt, minimumRsaBits } = wrapped
    const recipient = archivedKeyRecipient(envelope)
    const decrypter = await decrypterFor({ caId, submittedAt, recipient })
    const requestedPublicKey = decodePublicKey(publicKey)
    return openArchivedKey({
      envelope,
      requestedPublicKey,
      decrypter,
      ...(minimumRsaBits === undefined ? {} : { minimumRsaBits }),
      use: async opened => ({
        ...(await this.sealOpened(opened, requestedPublicKey, sealing)),
        keyFormat: opened.format,
        algorithm: opened.algorithm,
        bits: opened.bits,
        sealedAt,
        agentIds: sealing.agents.map(agent => agent.id)
      })
    })
  }

  /** Seals as the template says and reads the result back. */
  private async sealOpened(
    { plaintext }: OpenedKey,
    publicKey: PublicKeyInfo,
    { settings, agents: chosen }: Sealing
  ): Promise<Pick<SealedForm, 'mode' | 'quorum' | 'sealed' | 'contentEncryption'>> {
    const { entropy } = this
    const agents = chosen.map(agent => agent.certificate)
    if (settings.mode === 'threshold') {
      const { mode, threshold } = settings
      const sealed = await sealToThreshold({ plaintext, publicKey, agents, threshold, entropy })
      verifyThresholdSealedKey(sealed, { agents, threshold, publicKey })
      return { mode, quorum: threshold, sealed, contentEncryption: 'aes-256-gcm' }
    }
    const sealed = sealToAgents({ plaintext, agents, entropy })
    verifySealedKey(sealed, agents)
    return { mode: settings.mode, quorum: 1, sealed, contentEncryption: 'aes-256-cbc' }
  }
}
