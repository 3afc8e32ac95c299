import { RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'

/** Media types whose bodies reach a route as the bytes they are, in a Buffer. */
export const BINARY_MEDIA_TYPES = [
  'application/pkcs7-mime',
  'application/x-pkcs7-mime',
  'application/pkcs7',
  'application/x-pkcs7-certreqresp',
  'application/pkcs10',
  'application/x-pkcs10',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
  'application/xml',
  'text/xml',
  'multipart/mixed'
] as const

const JSON_ONLY: readonly string[] = ['application/json']

interface MediaTypeConfig {
  readonly mediaTypes?: readonly string[]
}

/** The media types of bodies that a route takes. A route without it takes `application/json`. */
export function Consumes(
  ...mediaTypes: readonly ((typeof BINARY_MEDIA_TYPES)[number] | 'application/json')[]
): MethodDecorator {
  return RouteConfig({ mediaTypes } satisfies MediaTypeConfig)
}

/** Lower-case type without parameters; undefined when there is no Content-Type. */
export function mediaTypeOf(request: FastifyRequest): string | undefined {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
}

/** Makes the server hand over binary bodies as Buffers, and take no types but those and JSON. */
export function registerMediaTypes(server: FastifyInstance): void {
  server.removeContentTypeParser('text/plain')
  server.addContentTypeParser([...BINARY_MEDIA_TYPES], { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
}

/** Throws `media_type_unsupported` when a request with a body has a type that its route does not take. */
export function assertMediaType(request: FastifyRequest): void {
  const type = mediaTypeOf(request)
  const hasBody = type !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  if (!hasBody || request.is404) return
  const { mediaTypes } = request.routeOptions.config as MediaTypeConfig
  const accepted = mediaTypes ?? JSON_ONLY
  if (type !== undefined && accepted.includes(type)) return
  const found = type === undefined ? 'The body has no Content-Type' : `The body is ${type.slice(0, 80)}`
  throw new AppError('media_type_unsupported', `${found}; this route takes ${accepted.join(', ')}.`)
}
