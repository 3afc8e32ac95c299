import { Inject, Injectable } from '@nestjs/common'
import type { CaId, Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { AuditLog, CertificateSearch, DecisionStore, type RequestRow } from '@app/storage'
import type { QueueDetail } from '../queue/queue.schemas.js'
import { certificateOf, decisionsOf, eventsOf } from './request-views.js'

/** More than a request has. */
const mostEvents = 200
const mostCertificates = 20

/** What has happened to a request, and what its requester had before. */
@Injectable()
export class RequestHistory {
  constructor(
    private readonly decisions: DecisionStore,
    private readonly audit: AuditLog,
    private readonly certificates: CertificateSearch,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** @param caIds the CAs whose certificates are told of */
  async of(
    row: RequestRow,
    caIds: readonly CaId[]
  ): Promise<Pick<QueueDetail, 'decisions' | 'events' | 'earlierCertificates'>> {
    const [decisions, edits] = await Promise.all([this.decisions.list(row.id), this.decisions.listEdits(row.id)])
    const events = await this.audit.list({ objectType: 'request', objectId: String(row.id) }, mostEvents)
    const earlier =
      row.requesterId === null
        ? []
        : (await this.certificates.find({ principalId: row.requesterId, caIds }, this.clock.now(), mostCertificates))
            .rows
    return {
      decisions: decisionsOf(decisions, edits),
      events: eventsOf(events.rows),
      earlierCertificates: earlier.filter(({ requestId }) => requestId !== row.id).map(certificateOf)
    }
  }
}
