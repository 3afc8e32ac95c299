import { TLSSocket } from 'node:tls'
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import { CallerAuthentication, CallerLimits } from '@app/platform'
import { KeyBasedRenewal } from './key-based-renewal.js'
import { keyBasedRenewalAt, rememberRequester, type AuthenticatedRequester } from './requester.js'

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
    private readonly renewals: KeyBasedRenewal
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
    if (request.headers.authorization !== undefined) return this.authentication.byToken(request)
    const route = keyBasedRenewalAt(context)
    if (route === undefined || presentsCertificate(request)) return this.authentication.byCertificate(request)
    return this.renewals.authenticate(request.body, route)
  }
}

function presentsCertificate({ raw: { socket } }: FastifyRequest): boolean {
  return socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined
}
