import { TLSSocket } from 'node:tls'
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import { CallerAuthentication, CallerLimits, remembered } from '@app/platform'
import { Delegations } from '../contexts/delegations.service.js'
import { KeyBasedRenewal } from './key-based-renewal.js'
import { keyBasedRenewalAt, rememberRequester, takesImpersonationAt, type AuthenticatedRequester } from './requester.js'

/**
 * Lets nobody through who is not a principal of the directory: by bearer token, or by a client certificate that this
 * CA issued to the principal, for client authentication, and that is neither expired nor revoked. Where a route takes
 * key-based renewals, such a message may come without either.
 */
@Injectable()
export class RequesterGuard implements CanActivate {
  constructor(
    private readonly authentication: CallerAuthentication,
    private readonly limits: CallerLimits,
    private readonly renewals: KeyBasedRenewal,
    private readonly delegations: Delegations
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    this.limits.failures.check(request.ip)
    const requester = await this.authenticate(request, context)
    if (requester === undefined) {
      this.limits.failures.take(request.ip)
      context.switchToHttp().getResponse<FastifyReply>().header('www-authenticate', 'Bearer realm="certkeep"')
      throw new AppError(
        'unauthenticated',
        'A valid credential is needed: an "Authorization: Bearer" token, or a client certificate of this CA.'
      )
    }
    this.limits.calls.take(requester.principal.id)
    rememberRequester(request, requester)
    return true
  }

  /** What is presented decides; nobody is let in by something else than what was presented for it. */
  private authenticate(
    request: FastifyRequest,
    context: ExecutionContext
  ): Promise<AuthenticatedRequester | undefined> {
    if (request.headers.authorization !== undefined) return this.byToken(request, context)
    const route = keyBasedRenewalAt(context)
    if (route === undefined || presentsCertificate(request)) return this.authentication.byCertificate(request)
    return this.renewals.authenticate(request.body, route)
  }

  private async byToken(
    request: FastifyRequest,
    context: ExecutionContext
  ): Promise<AuthenticatedRequester | undefined> {
    const caller = await this.authentication.byToken(request)
    if (caller !== undefined || !takesImpersonationAt(context)) return caller
    const token = /^Bearer ([\w-]{43})$/i.exec(request.headers.authorization ?? '')?.[1]
    const actor = token === undefined ? undefined : await this.delegations.authenticate(token)
    return actor === undefined ? undefined : remembered(request, actor)
  }
}

function presentsCertificate({ raw: { socket } }: FastifyRequest): boolean {
  return socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined
}
