import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import type { AuthenticatedCaller } from '@app/platform'
import type { PrincipalRow } from '@app/storage'

/** Who makes a call: a principal of the directory, and by which credential. */
export interface AuthenticatedRequester extends AuthenticatedCaller {
  /** That nothing but the old key's signature on the message authenticates it, which is good for this message alone. */
  readonly isByRenewal?: true
  /** Whom the caller acts for by an exchanged token, which is good for a security context alone. */
  readonly onBehalfOf?: Subject
}

/** An account that another acts for. */
interface Subject {
  readonly principal: PrincipalRow
  /** `DOMAIN\account` */
  readonly name: string
  readonly delegationId: string
  /** The end of the delegation. */
  readonly expiresAt: Date
}

const requesters = new WeakMap<FastifyRequest, AuthenticatedRequester>()

/** Remembers who was authenticated for a call; only the guard does this. */
export function rememberRequester(request: FastifyRequest, requester: AuthenticatedRequester): void {
  requesters.set(request, requester)
}

/** The requester of the present call. Throws `unauthenticated` on a route without the guard. */
export const CurrentRequester = createParamDecorator(
  (_: unknown, context: ExecutionContext): AuthenticatedRequester => {
    const requester = requesters.get(context.switchToHttp().getRequest<FastifyRequest>())
    if (requester === undefined) throw new AppError('unauthenticated', 'This call needs a credential.')
    return requester
  }
)

const keyBased = Symbol('key-based renewal')

/**
 * Marks a route that takes requests: a message that renews a certificate may come to it without a credential, where the
 * template lets the old key's signature stand for one. `flagged` routes take it only with the flag CR_IN_ROBO.
 */
export const TakesKeyBasedRenewal = (announced: 'flagged' | 'by-message'): MethodDecorator =>
  SetMetadata(keyBased, announced)

const impersonation = Symbol('impersonation')

/** Marks a route that takes exchanged tokens: the caller acts for another account there. */
export const TakesImpersonation = (): MethodDecorator => SetMetadata(impersonation, true)

/** Whether a route takes exchanged tokens. */
export function takesImpersonationAt(context: ExecutionContext): boolean {
  return Reflect.getMetadata(impersonation, context.getHandler()) === true
}

/** How a route takes key-based renewals; undefined for every route that does not. */
export function keyBasedRenewalAt(context: ExecutionContext): 'flagged' | 'by-message' | undefined {
  return Reflect.getMetadata(keyBased, context.getHandler()) as 'flagged' | 'by-message' | undefined
}
