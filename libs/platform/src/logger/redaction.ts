import { AppError } from '@app/core'

const REDACTED = '[redacted]'

/** Deeper than anything that is worth reading in a log line. */
const MAX_DEPTH = 6
const MAX_ITEMS = 50
const MAX_TEXT = 4096

/** Names whose value is never written, whatever it is. */
const SECRET_NAME =
  /pass(?:word|phrase|wd)|secret|token|credential|authorization|cookie|bearer|pkcs8|pkcs12|pfx|^pin$|^pem$|witness/i
/** Names that end in "key" are secrets but for those of what is public anyway. */
const KEY_NAME = /key$/i
const PUBLIC_KEY_NAME = /(?:public|idempotency|primary|foreign|archived|carries)_?key$/i

/** Whether a value under this name is kept out of logs. */
function isSecretName(name: string): boolean {
  if (SECRET_NAME.test(name)) return true
  return KEY_NAME.test(name) && !PUBLIC_KEY_NAME.test(name)
}

/** Text without credentials: of an Authorization header, of a URL, of a PEM private key. Long text is cut. */
export function redactText(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text
  return cut
    .replace(/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`)
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/@]+@/gi, `$1:${REDACTED}@`)
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED)
}

/**
 * A copy of the value that may be written to a log: no secrets by name, no bytes (only how many), no credentials in
 * text, bounded in depth and size.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (value instanceof Date) return value.toISOString()
  if (depth >= MAX_DEPTH) return '[deeper]'
  if (value instanceof Error) return redactError(value, depth)
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(item => redact(item, depth + 1))
  const entries = Object.entries(value).slice(0, MAX_ITEMS)
  return Object.fromEntries(
    entries.map(([name, item]) => [name, isSecretName(name) && item !== undefined ? REDACTED : redact(item, depth + 1)])
  )
}

/** An error with its causes. The stack of an AppError says nothing that its message does not, so only defects have one. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as { readonly code?: unknown }
  return {
    type: error.name,
    ...(code === undefined ? {} : { code: redact(code, depth + 1) }),
    message: redactText(error.message),
    ...(error instanceof AppError ? { evidence: redact(error.evidence, depth + 1) } : {}),
    ...(error instanceof AppError && error.code !== 'internal' ? {} : { stack: redactText(error.stack ?? '') }),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) })
  }
}
