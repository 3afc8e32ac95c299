import { Inject, Injectable } from '@nestjs/common'
import type { Clock, RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import { CertificateStore, RequestStore, ResponseStore, type RequestRow, type ResponseRow } from '@app/storage'
import { CaRegistry } from '../ca/ca-registry.js'
import { FullResponseFactory, type Told } from './full-response-factory.js'

const batchSize = 32

/** Signs the full responses for requests that rest: pending, denied, failed, or issued without one. */
@Injectable()
export class RespondService {
  constructor(
    private readonly requests: RequestStore,
    private readonly certificates: CertificateStore,
    private readonly responses: ResponseStore,
    private readonly registry: CaRegistry,
    private readonly factory: FullResponseFactory,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Answers a batch. Returns how many rows it took up; `answered` hears which have their response. */
  async run(answered: (ids: readonly RequestId[]) => void): Promise<number> {
    const now = this.clock.now()
    let ids: readonly RequestId[] = []
    const taken = await this.requests.withClaimed('respond', { limit: batchSize, now }, async (rows, unit) => {
      const responses = await Promise.all(rows.map(row => this.respond(row, now)))
      await this.responses.put(unit, responses)
      ids = rows.map(row => row.id)
    })
    answered(ids)
    return taken
  }

  private async respond(row: RequestRow, now: Date): Promise<ResponseRow> {
    const ca = await this.registry.get(row.caId)
    const fullResponse = await this.factory.build(row, ca, await this.told(row))
    return { requestId: row.id, state: row.state, fullResponse: Buffer.from(fullResponse), createdAt: now }
  }

  private async told(row: RequestRow): Promise<Told> {
    if (row.state === 'pending' || row.state === 'denied' || row.state === 'failed') return { state: row.state }
    const issued = await this.certificates.findByRequest(row.id)
    return issued?.certificate == null ? { state: 'failed' } : { state: 'issued', certificate: issued.certificate }
  }
}
