import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import type { Config } from '../config/load.js'
import { createRateLimiter, type RateLimiter } from '../http/rate-limit.js'
import { CLOCK, CONFIG } from '../injection.js'

/**
 * How much a caller may do in a minute: calls of an account, and failures that an attacker would repeat: refused
 * credentials by address, archived keys that do not open by account (a padding oracle needs thousands of them); and, by
 * address, sign-ins that are begun and registrations of clients, since anybody may begin one.
 */
@Injectable()
export class CallerLimits {
  readonly calls: RateLimiter
  readonly failures: RateLimiter
  readonly signIns: RateLimiter
  readonly registrations: RateLimiter

  constructor(@Inject(CONFIG) config: Config, @Inject(CLOCK) clock: Clock) {
    this.calls = createRateLimiter(config.limits.requestsPerMinute, 'calls', clock)
    this.failures = createRateLimiter(config.limits.failuresPerMinute, 'failed attempts', clock)
    this.signIns = createRateLimiter(config.limits.failuresPerMinute, 'sign-ins', clock)
    this.registrations = createRateLimiter(config.limits.registrationsPerMinute, 'registrations', clock)
  }
}
