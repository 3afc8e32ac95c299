/** One response header. */
type Header = readonly [name: string, value: string]

const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const COMMON: readonly Header[] = [
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
  // Answers are a caller's own; a route that serves public data says so itself.
  ['cache-control', 'no-store']
]

const HSTS: Header = ['strict-transport-security', 'max-age=31536000']

/** The security headers of answers by their media type; one that a route has set itself stays. */
export function securityHeaders(options: { readonly hsts: boolean }): (contentType: string) => readonly Header[] {
  const always = options.hsts ? [...COMMON, HSTS] : COMMON
  const page: readonly Header[] = [...always, ['content-security-policy', PAGE_POLICY]]
  const data: readonly Header[] = [...always, ['content-security-policy', DATA_POLICY]]
  return contentType => (contentType.startsWith('text/html') ? page : data)
}
