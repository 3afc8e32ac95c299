import type { DynamicModule } from '@nestjs/common'
import type { Clock, Entropy } from '@app/core'
import { Outcomes, StatusChanges, Steps, Wakeups } from '@app/queue'
import type { Config } from './config/load.js'
import { CLOCK, CONFIG, ENTROPY, LOG } from './injection.js'
import type { Logger } from './logger/logger.js'

/** What every role of a process shares. */
export interface Runtime {
  readonly config: Config
  readonly log: Logger
  readonly clock: Clock
  readonly entropy: Entropy
  readonly wakeups: Wakeups
  readonly steps: Steps
  readonly outcomes: Outcomes
  readonly statusChanges: StatusChanges
}

class RuntimeModule {}

/** Makes the runtime available for injection everywhere in an application. */
export function runtimeModule(runtime: Runtime): DynamicModule {
  const providers = [
    { provide: CONFIG, useValue: runtime.config },
    { provide: LOG, useValue: runtime.log },
    { provide: CLOCK, useValue: runtime.clock },
    { provide: ENTROPY, useValue: runtime.entropy },
    { provide: Wakeups, useValue: runtime.wakeups },
    { provide: Steps, useValue: runtime.steps },
    { provide: Outcomes, useValue: runtime.outcomes },
    { provide: StatusChanges, useValue: runtime.statusChanges }
  ]
  return { module: RuntimeModule, global: true, providers, exports: providers }
}
