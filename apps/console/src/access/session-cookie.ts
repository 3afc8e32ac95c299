import type { FastifyReply, FastifyRequest } from 'fastify'

/** The cookie of a session. Its prefix keeps browsers from taking one from another host, another path or without TLS. */
export const SESSION_COOKIE = '__Host-certkeep-session'

/** The cookie of a browser that is on its way to an identity provider and back. */
export const SIGN_IN_COOKIE = '__Host-certkeep-sign-in'

/** What a cookie of ours holds: 32 random bytes in base64url. */
const SECRET = /^[A-Za-z0-9_-]{43}$/

/** The secret in a cookie of a call; undefined when there is none of the form. */
export function cookieOf(request: FastifyRequest, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map(pair => pair.trim())
  const values = pairs.filter(pair => pair.startsWith(`${name}=`)).map(pair => pair.slice(name.length + 1))
  const [only, ...others] = values
  return only !== undefined && others.length === 0 && SECRET.test(only) ? only : undefined
}

/**
 * Sets a cookie, or removes it when `value` is empty. `Lax` sends it with the redirect that comes back from an identity
 * provider, which `Strict` does not.
 */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  { sameSite, seconds }: { readonly sameSite: 'Strict' | 'Lax'; readonly seconds: number }
): void {
  const lifetime = value === '' ? 0 : seconds
  const cookie = `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=${sameSite}; Max-Age=${lifetime}`
  const others = [reply.getHeader('set-cookie') ?? []].flat().map(String)
  reply.header('set-cookie', [...others, cookie])
}
