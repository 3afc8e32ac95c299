import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CR_FLG } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { ExchangeKeyStore, internalRequest, RequestStore } from '@app/storage'
import { decodePublicKey } from '@app/x509'

const because = { actor: 'role:authority' }

/** Asks for the certificates of exchange keys: each has a request of its own (MS-WCCE 3.2.1.4.3.2.15). */
@Injectable()
export class ExchangeRequests {
  constructor(
    private readonly keys: ExchangeKeyStore,
    private readonly requests: RequestStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Makes a request for every key that has none. Returns how many. A crash in between repeats the same request. */
  async run(): Promise<number> {
    const generated = await this.keys.listInState('generated')
    for (const { id, caId, publicKey } of generated) {
      const submittedAt = this.clock.now()
      const request = internalRequest({
        caId,
        templateName: 'CAExchange',
        publicKey,
        keyId: decodePublicKey(publicKey).keyId,
        rowFlags: CR_FLG.CR_FLG_CAXCHGCERT | CR_FLG.CR_FLG_FORCEUTF8,
        submittedAt
      })
      const submitted = await this.requests.submit(request, undefined, because)
      await this.keys.request(id, submitted.id, because, submittedAt)
    }
    return generated.length
  }
}
