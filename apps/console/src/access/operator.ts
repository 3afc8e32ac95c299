import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import type { AuthenticatedCaller } from '@app/platform'
import { rolesPermitting, scopesOf, type HeldRole, type OfficerScope, type Permission } from '@app/policy'
import type { SessionRow } from '@app/storage'

/** Who makes a call to the console, and what it may do. */
export interface AuthenticatedOperator extends AuthenticatedCaller {
  /** The roles held, as far as the credential reaches. */
  readonly assignments: readonly HeldRole[]
  /** The browser's session; absent for a token or a client certificate. */
  readonly session?: SessionRow
  /** Whether a role gives the permission at the CA; for every CA when it is null; anywhere when it is left out. */
  may(permission: Permission, caId?: number | null): boolean
  /**
   * What the operator is limited to at the CA where it uses the permission; undefined is no limit, an empty list that
   * no role gives it there.
   */
  scopeOf(permission: Permission, caId: number): readonly OfficerScope[] | undefined
}

/** Puts together what the roles of a caller let it do. */
export function operatorOf(
  caller: AuthenticatedCaller & { readonly session?: SessionRow },
  assignments: readonly HeldRole[]
): AuthenticatedOperator {
  return {
    ...caller,
    assignments,
    may: (permission, caId) => rolesPermitting(assignments, permission, caId).length > 0,
    scopeOf: (permission, caId) => scopesOf(assignments, permission, caId)
  }
}

/** Throws `access_denied` unless the operator has the permission at the CA, or for every CA when it is null. */
export function requirePermission(operator: AuthenticatedOperator, permission: Permission, caId: number | null): void {
  if (operator.may(permission, caId)) return
  const where = caId === null ? 'every CA' : 'this CA'
  throw new AppError('access_denied', `${operator.name} holds no role for ${where} that allows this (${permission}).`, {
    permission
  })
}

const operators = new WeakMap<FastifyRequest, AuthenticatedOperator>()

/** Remembers who was authenticated for a call; only the guard does this. */
export function rememberOperator(request: FastifyRequest, operator: AuthenticatedOperator): void {
  operators.set(request, operator)
}

/** The operator of the present call. Throws `unauthenticated` on a route without the guard. */
export const CurrentOperator = createParamDecorator((_: unknown, context: ExecutionContext): AuthenticatedOperator => {
  const operator = operators.get(context.switchToHttp().getRequest<FastifyRequest>())
  if (operator === undefined) throw new AppError('unauthenticated', 'This call needs a credential.')
  return operator
})
