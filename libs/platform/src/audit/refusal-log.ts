import type { FastifyRequest } from 'fastify'
import type { AppError, Clock, ErrorCode } from '@app/core'
import type { AuditEvent, AuditLog } from '@app/storage'
import { callerNameOf } from '../access/caller-authentication.js'
import { createRateLimiter, type RateLimiter } from '../http/rate-limit.js'
import type { Logger } from '../logger/logger.js'
import { routeOf } from '../problems/problem-filter.js'

/** What a call is refused with for who makes it, and how the log names that. */
const REFUSALS = {
  unauthenticated: { action: 'access.unauthenticated', outcome: 'failed' },
  access_denied: { action: 'access.denied', outcome: 'denied' },
  role_conflict: { action: 'access.denied', outcome: 'denied' },
  restricted_officer: { action: 'access.denied', outcome: 'denied' },
  approver_excluded: { action: 'access.denied', outcome: 'denied' },
  activator_is_author: { action: 'access.denied', outcome: 'denied' }
} as const satisfies Partial<Record<ErrorCode, Pick<AuditEvent, 'action' | 'outcome'>>>

/** Entries in a minute: of one account or address, and of all. The rest is counted. */
const PER_CALLER = 20
const PER_MINUTE = 120

/**
 * Records in the audit log who was not let in where: sign-ins that failed, calls that a role does not allow, and calls of
 * one person for what takes two. A flood of them leaves a few entries, of which one tells how many there were besides, so
 * that nobody fills the disk.
 */
export class RefusalLog {
  private readonly perCaller: RateLimiter
  private readonly all: RateLimiter
  private unrecorded = 0

  constructor(
    private readonly log: AuditLog,
    private readonly clock: Clock,
    private readonly logger: Logger
  ) {
    this.perCaller = createRateLimiter(PER_CALLER, 'refusals', clock)
    this.all = createRateLimiter(PER_MINUTE, 'refusals', clock)
  }

  /** Records an error that is a refusal; no other. Never throws: who is refused stays refused. */
  async note(error: AppError, request: FastifyRequest): Promise<void> {
    if (!Object.hasOwn(REFUSALS, error.code)) return
    const { action, outcome } = REFUSALS[error.code as keyof typeof REFUSALS]
    const caller = callerNameOf(request)
    if (!this.takes(caller ?? request.ip)) {
      this.unrecorded++
      return
    }
    const unrecorded = this.unrecorded === 0 ? {} : { unrecorded: this.unrecorded }
    this.unrecorded = 0
    const event = {
      at: this.clock.now(),
      actor: caller ?? 'anonymous',
      action,
      objectType: 'access',
      objectId: `${request.method} ${routeOf(request)}`,
      outcome,
      detail: { code: error.code, address: request.ip, ...unrecorded }
    } as const
    try {
      await this.log.append([event])
    } catch (failure) {
      this.logger.error({ error: failure, action }, 'A refusal could not be recorded in the audit log.')
    }
  }

  private takes(caller: string): boolean {
    try {
      this.perCaller.take(caller)
      this.all.take('')
      return true
    } catch {
      return false
    }
  }
}
