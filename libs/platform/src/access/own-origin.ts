import type { FastifyRequest } from 'fastify'
import { AppError } from '@app/core'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Throws `access_denied` for a call that another site may have made a browser send: one that changes something and
 * names another origin than that of the public address. With `mandatory`, as for a cookie, one that names none is
 * refused too; other clients than browsers name none.
 */
export function requireOwnOrigin(
  request: FastifyRequest,
  { publicUrl, mandatory }: { readonly publicUrl: string; readonly mandatory: boolean }
): void {
  if (SAFE_METHODS.has(request.method)) return
  const { origin } = request.headers
  if (origin === undefined && !mandatory) return
  if (origin === new URL(publicUrl).origin) return
  throw new AppError(
    'access_denied',
    `A browser must send this from a page of ${new URL(publicUrl).origin}; the Origin of this call is ${origin === undefined ? 'absent' : 'another'}.`
  )
}
