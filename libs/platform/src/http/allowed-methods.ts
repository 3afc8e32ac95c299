import type { FastifyInstance } from 'fastify'

/** Knows which methods an address has, for answers 405 and OPTIONS. */
export interface AllowedMethods {
  /**
   * The methods registered for a path without query, sorted; none when the path is unknown. A route that takes any rest
   * counts only where no other one has the path.
   */
  of(path: string): readonly string[]
}

interface Route {
  readonly segments: readonly string[]
  readonly methods: Set<string>
}

/** Collects the routes of a server. Has to be called before any of them is registered. */
export function collectAllowedMethods(server: FastifyInstance): AllowedMethods {
  const routes = new Map<string, Route>()
  server.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { segments: segmentsOf(url), methods: new Set() }
    for (const name of [method].flat()) route.methods.add(name.toUpperCase())
    routes.set(url, route)
  })
  return {
    of: path => {
      const segments = segmentsOf(path)
      const matching = [...routes.values()].filter(route => matches(route.segments, segments))
      const closed = matching.filter(route => route.segments.at(-1) !== '*')
      const methods = (closed.length > 0 ? closed : matching).flatMap(route => [...route.methods])
      return [...new Set(methods)].toSorted()
    }
  }
}

const segmentsOf = (path: string) => path.split('/').filter(segment => segment !== '')

/** As the router matches: `:name` takes one segment, a final `*` takes any rest. */
function matches(pattern: readonly string[], path: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === '*'
  const fixed = isOpen ? pattern.slice(0, -1) : pattern
  if (isOpen ? path.length < fixed.length : path.length !== fixed.length) return false
  return fixed.every((segment, position) => segment.startsWith(':') || segment === path[position])
}
