import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import { CallerAuthentication, CallerLimits } from '@app/platform'
import { rememberRequester } from './requester.js'

/**
 * Lets nobody through who is not a principal of the directory: by bearer token, or by a client certificate that this
 * CA issued to the principal, for client authentication, and that is neither expired nor revoked.
 */
@Injectable()
export class RequesterGuard implements CanActivate {
  constructor(
    private readonly authentication: CallerAuthentication,
    private readonly limits: CallerLimits
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    this.limits.failures.check(request.ip)
    // A token that is given decides; nobody is let in by something else than what was presented for it.
    const withToken = request.headers.authorization !== undefined
    const requester = await (withToken
      ? this.authentication.byToken(request)
      : this.authentication.byCertificate(request))
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
}
