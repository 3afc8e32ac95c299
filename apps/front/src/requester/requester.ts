import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import type { AuthenticatedCaller } from '@app/platform'

/** Who makes a call: a principal of the directory, and by which credential. */
export type AuthenticatedRequester = AuthenticatedCaller

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
