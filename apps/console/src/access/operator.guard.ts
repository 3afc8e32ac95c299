import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import { CallerLimits } from '@app/platform'
import type { Permission } from '@app/policy'
import { CaStore } from '@app/storage'
import { rememberOperator, requirePermission, type AuthenticatedOperator } from './operator.js'
import { OperatorAuthentication } from './operator-authentication.js'

/** The metadata under which a route says whom it lets in. */
export const ROUTE_ACCESS = 'certkeep:access'

/** Whom a route lets in. */
export interface RouteAccess {
  /** Undefined for everybody who can sign in. */
  readonly permission: Permission | undefined
  readonly at: 'any' | 'all'
}

/** Lets nobody through whose roles do not give what the route demands; a route that demands nothing is a defect. */
@Injectable()
export class OperatorGuard implements CanActivate {
  constructor(
    private readonly authentication: OperatorAuthentication,
    private readonly cas: CaStore,
    private readonly limits: CallerLimits,
    private readonly reflector: Reflector
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    const access = this.reflector.get<RouteAccess | undefined>(ROUTE_ACCESS, context.getHandler())
    if (access === undefined) throw new AppError('internal', 'A route of the console says not whom it lets in.')
    // 1. Who calls.
    this.limits.failures.check(request.ip)
    const operator = await this.authentication.operatorOf(request)
    if (operator === undefined) {
      this.limits.failures.take(request.ip)
      context.switchToHttp().getResponse<FastifyReply>().header('www-authenticate', 'Bearer realm="certkeep"')
      throw new AppError(
        'unauthenticated',
        'A valid credential is needed: sign in, or give a token of scope "console" or a client certificate of this CA.'
      )
    }
    this.limits.calls.take(operator.principal.id)
    // 2. Whether a role gives what the route demands.
    if (access.permission !== undefined) await this.requireRole(operator, access.permission, access.at, request)
    rememberOperator(request, operator)
    return true
  }

  private async requireRole(
    operator: AuthenticatedOperator,
    permission: Permission,
    at: RouteAccess['at'],
    request: FastifyRequest
  ): Promise<void> {
    if (at === 'all') return requirePermission(operator, permission, null)
    if (!operator.may(permission)) {
      throw new AppError('access_denied', `${operator.name} holds no role that allows this (${permission}).`, {
        permission
      })
    }
    const { ca: name } = request.params as { readonly ca?: string }
    if (name === undefined) return
    const ca = await this.cas.findByName(name)
    // A CA that is none of the operator's and one that is not there are one to the operator.
    if (ca !== undefined && operator.may(permission, ca.id)) return
    throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
  }
}
