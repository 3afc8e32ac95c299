import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK, LOG, rowFailure, type Logger } from '@app/platform'
import { decide } from '@app/policy'
import type { Step, StepRun } from '@app/queue'
import { pendingSecondsOf } from '@app/templates'
import { CertificateStore, RequestStore, type RequestMove, type RequestRow, type TemplateRow } from '@app/storage'
import { InternalRequests } from './internal-requests.js'
import { PolicyFacts, type BatchFacts } from './policy-facts.js'

const batchSize = 32
const because = { actor: 'role:authority' }

/** Step 5 of a request's life: the template and the policy decide. */
@Injectable()
export class EvaluateService {
  constructor(
    private readonly requests: RequestStore,
    private readonly facts: PolicyFacts,
    private readonly internal: InternalRequests,
    private readonly certificates: CertificateStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Decides a batch of received requests. */
  async run(): Promise<StepRun> {
    const now = this.clock.now()
    let moves: readonly RequestMove[] = []
    const taken = await this.requests.withClaimed('evaluate', { limit: batchSize, now }, async (rows, unit) => {
      const facts = this.facts.batch(rows, now)
      moves = await Promise.all(rows.map(row => this.judge(row, facts, now)))
      // failpoint: evaluate.judged
      await this.requests.moveAll(unit, moves, now)
      // failpoint: evaluate.moved
    })
    // failpoint: evaluate.committed
    return { more: taken === batchSize, next: [...new Set(moves.map(stepAfter))] }
  }

  private async judge(row: RequestRow, facts: BatchFacts, now: Date): Promise<RequestMove> {
    const move = { id: row.id, from: 'received', because } as const
    try {
      const principal = await facts.principal(row)
      if (principal === undefined) {
        return refused(row, { code: 'enroll_denied', message: `The account ${row.requesterName} is gone or disabled.` })
      }
      if (principal.kind === 'system') return await this.internal.judge(row, now)
      const decision = decide(await facts.input(row, principal))
      const found = decision.template && (await facts.template(row, decision.template.name))
      if (decision.verdict !== 'deny' && (await this.isBoundOtherwise(row, found))) return refused(row, archivalChanged)
      const template = found === undefined ? {} : { template: found }
      switch (decision.verdict) {
        case 'approve':
          return { ...move, ...template, to: 'approved', ...taken(row) }
        case 'hold': {
          const pendingUntil = new Date(now.getTime() + pendingSecondsOf(decision.template) * 1000)
          return { ...move, ...template, to: 'pending', pendingUntil, ...taken(row) }
        }
        case 'deny':
          // As in `isBoundOtherwise`.
          return { ...refused(row, decision), ...(row.archival === !found?.archival ? {} : template) }
      }
    } catch (error) {
      const { code, message } = rowFailure(error, row, this.log)
      return {
        ...move,
        to: 'failed',
        failure: { code, message },
        dispositionMessage: `Error parsing request: ${message}`
      }
    }
  }

  /**
   * What an earlier round spent serial numbers on keeps saying whether a key was archived for them; the database holds
   * the request to it. Nothing of this is looked up but for a request whose template says otherwise by now.
   */
  private async isBoundOtherwise(row: RequestRow, found: TemplateRow | undefined): Promise<boolean> {
    if (row.archival === null || found === undefined || row.archival === found.archival) return false
    return this.certificates.hasSerialNumbers(row.id)
  }
}

const archivalChanged = {
  code: 'template_conflict',
  message:
    'Its template demanded otherwise whether the key is archived when a certificate was first made for it. Make a new request.'
} as const

/** What a resubmitted request tells is who resubmitted it. */
function taken({ round }: RequestRow): Pick<RequestMove, 'dispositionMessage'> {
  return round > 1 ? {} : { dispositionMessage: 'Taken Under Submission' }
}

/** Every other decision rests for now, with a response. */
function stepAfter({ to, template }: RequestMove): Step {
  if (to !== 'approved') return 'respond'
  return template?.archival === true ? 'seal' : 'issue'
}

function refused(row: RequestRow, denial: { readonly code: string; readonly message: string }): RequestMove {
  return {
    id: row.id,
    from: 'received',
    to: 'denied',
    because,
    failure: { code: denial.code, message: denial.message },
    dispositionMessage: `Denied by Policy Module: ${denial.message}`
  }
}
