import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import type { Clock, RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import { Outcomes, Steps } from '@app/queue'
import { EvaluateService } from './evaluate/evaluate.service.js'
import { IssueService } from './issue/issue.service.js'
import { RespondService } from './respond/respond.service.js'

/** Has requests decided, issued and answered when they are due. */
@Injectable()
export class PipelineSteps implements OnApplicationBootstrap {
  constructor(
    private readonly steps: Steps,
    private readonly outcomes: Outcomes,
    private readonly evaluation: EvaluateService,
    private readonly issuance: IssueService,
    private readonly responses: RespondService,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  onApplicationBootstrap(): void {
    const answered = (ids: readonly RequestId[]): void => {
      for (const id of ids) this.outcomes.notify(id)
    }
    this.steps.add('evaluate', () => this.evaluation.run())
    this.steps.add('issue', () => this.issuance.run(this.clock.now(), answered))
    this.steps.add('respond', () => this.responses.run(answered))
  }
}
