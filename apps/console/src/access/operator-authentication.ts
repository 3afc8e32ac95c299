import { createHash } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError, type Clock } from '@app/core'
import {
  accountNameOf,
  CallerAuthentication,
  CLOCK,
  CONFIG,
  remembered,
  requireOwnOrigin,
  type AuthenticatedCaller,
  type Config
} from '@app/platform'
import { requireNoRoleConflict, type HeldRole } from '@app/policy'
import { heldRoleOf, RoleStore, SessionStore, type SessionRow } from '@app/storage'
import { operatorOf, type AuthenticatedOperator } from './operator.js'
import { cookieOf, SESSION_COOKIE } from './session-cookie.js'

/** How long a session may be in use before that is noted again, unless a quarter of its idle time is less. */
const noteAfter = 60_000

/** Finds out who makes a call to the console, and what roles that gives. */
@Injectable()
export class OperatorAuthentication {
  constructor(
    private readonly callers: CallerAuthentication,
    private readonly sessions: SessionStore,
    private readonly roles: RoleStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * The operator of a call, by what it presents: a token of scope `console`, else the cookie of a session, else a client
   * certificate. Undefined when that is not good. Throws `access_denied` for a token without the scope and for a call
   * that another site may have made a browser send, `role_conflict` for an account whose roles exclude each other.
   */
  async operatorOf(request: FastifyRequest): Promise<AuthenticatedOperator | undefined> {
    const caller = await this.callerOf(request)
    if (caller === undefined) return undefined
    const held = (await this.roles.listHeld(caller.principal.id)).map(heldRoleOf)
    // What is held anywhere counts, whatever the credential is narrowed to.
    if (this.config.operators.roleSeparation) requireNoRoleConflict(caller.name, held)
    const caId = caller.credential?.caId ?? null
    return operatorOf(caller, caId === null ? held : held.flatMap(role => narrowed(role, caId)))
  }

  private async callerOf(
    request: FastifyRequest
  ): Promise<(AuthenticatedCaller & { readonly session?: SessionRow }) | undefined> {
    const { publicUrl } = this.config
    if (request.headers.authorization !== undefined) {
      const caller = await this.callers.byToken(request)
      if (caller?.credential !== undefined && !caller.credential.scopes.includes('console')) {
        throw new AppError('access_denied', 'The token has no scope "console". Ask for one that has.')
      }
      return caller
    }
    const secret = cookieOf(request, SESSION_COOKIE)
    if (secret !== undefined) {
      const caller = await this.bySession(request, secret)
      if (caller !== undefined) requireOwnOrigin(request, { publicUrl, mandatory: true })
      return caller
    }
    const caller = await this.callers.byCertificate(request)
    // A browser presents a certificate by itself, as it does a cookie.
    if (caller !== undefined) requireOwnOrigin(request, { publicUrl, mandatory: false })
    return caller
  }

  private async bySession(
    request: FastifyRequest,
    secret: string
  ): Promise<(AuthenticatedCaller & { readonly session: SessionRow }) | undefined> {
    const now = this.clock.now()
    const idle = this.config.operators.sessionIdleMinutes * 60_000
    const idleSince = new Date(now.getTime() - idle)
    const found = await this.sessions.find(createHash('sha256').update(secret).digest(), now, idleSince)
    if (found === undefined) return undefined
    const { session, principal } = found
    const unseen = now.getTime() - session.lastSeenAt.getTime()
    if (unseen > Math.min(noteAfter, idle / 4)) await this.sessions.see(session.id, now)
    return remembered(request, { principal, session, name: accountNameOf(principal) })
  }
}

/** What is left of a role for a token that is good for one CA. */
function narrowed(role: HeldRole, caId: number): readonly HeldRole[] {
  return role.caId === null || role.caId === caId ? [{ ...role, caId }] : []
}
