import type { IncomingHttpHeaders } from 'node:http'
import {
  applyDecorators,
  Injectable,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor
} from '@nestjs/common'
import { ApiHeader } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { tap, type Observable } from 'rxjs'

/** An answer that is one version of an object. */
interface Versioned {
  readonly etag: string
}

@Injectable()
class EntityTagInterceptor implements NestInterceptor<Versioned, Versioned> {
  intercept(context: ExecutionContext, next: CallHandler<Versioned>): Observable<Versioned> {
    const reply = context.switchToHttp().getResponse<FastifyReply>()
    return next.handle().pipe(tap(({ etag }) => void reply.header('etag', etag)))
  }
}

/** Sends the member `etag` of the answer as the header too (RFC 9110, 8.8.3). */
export function TellsEntityTag(): MethodDecorator {
  return UseInterceptors(EntityTagInterceptor)
}

/** As {@link TellsEntityTag}, of a route that changes what it tells of, and takes `If-Match`. */
export function ChangesEntity(): MethodDecorator {
  return applyDecorators(
    TellsEntityTag(),
    ApiHeader({
      name: 'if-match',
      required: false,
      description: 'The `etag` of what was looked at: nothing is done, with 412, when it is another by now.'
    })
  )
}

/** Tells that a route knows a call that is sent once more for want of an answer, see {@link conditionsOf}. */
export function KnowsRepetition(): MethodDecorator {
  return ApiHeader({
    name: 'idempotency-key',
    required: false,
    description: 'Any text: the same call once more, for want of an answer, is answered as the first was.'
  })
}

/** The entity tag of a version, quoted as HTTP wants it. */
export function entityTagOf(version: string): string {
  return `"${version}"`
}

/** What the headers of a call say of the change that it asks for. */
export interface ChangeConditions {
  /** The version that `If-Match` demands; undefined when any will do. */
  readonly version: string | undefined
  /** Whether the call may be one that is sent once more for want of an answer. */
  readonly isRepeatable: boolean
}

/** The conditions in the headers of a call. */
export function conditionsOf(headers: IncomingHttpHeaders): ChangeConditions {
  return {
    version: versionDemanded(headers['if-match']),
    isRepeatable: headers['idempotency-key'] !== undefined
  }
}

/** The version that a header If-Match demands; undefined when any will do (RFC 9110, 13.1.1). */
export function versionDemanded(header: string | undefined): string | undefined {
  const text = header?.trim()
  if (text === undefined || text === '' || text === '*') return undefined
  return text.replace(/^"|"$/g, '')
}
