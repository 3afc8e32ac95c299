import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import type { StepRun } from '@app/queue'
import { CertificateStore, RequestStore, ResponseStore, type RequestRow, type ResponseRow } from '@app/storage'
import { CaRegistry } from '../ca/ca-registry.js'
import { FullResponseFactory, type Told } from './full-response-factory.js'

const batchSize = 32
const retryAfter = 60_000

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

  /** Answers a batch; `answered` hears which requests have their response. */
  async run(answered: (ids: readonly RequestId[]) => void): Promise<StepRun> {
    const now = this.clock.now()
    let ids: readonly RequestId[] = []
    let failure: Error | undefined
    const taken = await this.requests.withClaimed('respond', { limit: batchSize, now }, async (rows, unit) => {
      const attempts = await Promise.allSettled(rows.map(row => this.respond(row, now)))
      const responses = attempts.flatMap(attempt => (attempt.status === 'fulfilled' ? [attempt.value] : []))
      // failpoint: respond.signed
      await this.responses.put(unit, responses)
      // failpoint: respond.stored
      // One bad row never holds back its batch; it is tried again later.
      const later = rows.filter((_, index) => attempts[index]?.status === 'rejected').map(row => row.id)
      await this.requests.lease(unit, later, new Date(now.getTime() + retryAfter))
      ids = responses.map(response => response.requestId)
      failure = attempts.find(attempt => attempt.status === 'rejected')?.reason as Error | undefined
    })
    // failpoint: respond.committed
    answered(ids)
    if (failure !== undefined) throw failure
    return { more: taken === batchSize, next: [] }
  }

  private async respond(row: RequestRow, now: Date): Promise<ResponseRow> {
    const ca = await this.registry.get(row.caId)
    const fullResponse = await this.factory.build(row, ca, await this.told(row))
    return { requestId: row.id, state: row.state, fullResponse: Buffer.from(fullResponse), createdAt: now }
  }

  private async told(row: RequestRow): Promise<Told> {
    if (row.state === 'pending' || row.state === 'denied' || row.state === 'failed') return { state: row.state }
    const issued = await this.certificates.findByRequest(row.id)
    if (issued?.certificate == null)
      throw new AppError('internal', `Request ${row.id} is ${row.state} without a certificate.`)
    return { state: 'issued', certificate: issued.certificate }
  }
}
