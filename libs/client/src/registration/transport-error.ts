import { AppError, isAppError, type ErrorCode } from '@app/core'
import { formatHresult } from '@app/cmc'

/** What an error of Node tells: the number that WinHTTP has for it, and the code of this program. */
interface Meaning {
  readonly winHttp: number
  readonly code: ErrorCode
}

const UNREACHABLE = { timeout: 12002, name: 12007, connect: 12029, connection: 12030, reply: 12152 } as const

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ETIMEDOUT: { winHttp: UNREACHABLE.timeout, code: 'server_unreachable' },
  ENOTFOUND: { winHttp: UNREACHABLE.name, code: 'server_unreachable' },
  EAI_AGAIN: { winHttp: UNREACHABLE.name, code: 'server_unreachable' },
  ECONNREFUSED: { winHttp: UNREACHABLE.connect, code: 'server_unreachable' },
  EHOSTUNREACH: { winHttp: UNREACHABLE.connect, code: 'server_unreachable' },
  ENETUNREACH: { winHttp: UNREACHABLE.connect, code: 'server_unreachable' },
  ECONNRESET: { winHttp: UNREACHABLE.connection, code: 'reply_missing' },
  EPIPE: { winHttp: UNREACHABLE.connection, code: 'reply_missing' },
  CERT_HAS_EXPIRED: { winHttp: 12037, code: 'chain_invalid' },
  CERT_NOT_YET_VALID: { winHttp: 12037, code: 'chain_invalid' },
  ERR_TLS_CERT_ALTNAME_INVALID: { winHttp: 12038, code: 'chain_invalid' },
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: { winHttp: 12044, code: 'access_denied' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { winHttp: 12045, code: 'chain_invalid' },
  SELF_SIGNED_CERT_IN_CHAIN: { winHttp: 12045, code: 'chain_invalid' },
  UNABLE_TO_GET_ISSUER_CERT: { winHttp: 12045, code: 'chain_invalid' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { winHttp: 12045, code: 'chain_invalid' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { winHttp: 12045, code: 'chain_invalid' },
  CERT_REVOKED: { winHttp: 12170, code: 'server_certificate_revoked' }
}

/**
 * The error of a connection that failed: `server_unreachable`, `reply_missing`, `chain_invalid`, `access_denied` or
 * `server_certificate_revoked`. Its evidence has, as `winHttp` and `hresult`, what a Windows client reports for the same
 * cause. An error of this program is given back as it is.
 */
export function transportErrorOf(cause: unknown, where: string): AppError {
  if (isAppError(cause)) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  const name = (cause as { readonly code?: string }).code ?? ''
  const { winHttp, code } = MEANINGS[name] ?? meaningOfKind(name)
  return new AppError(
    code,
    `No reply from ${where}: ${message}`,
    { where, winHttp, hresult: hresultOfWinHttp(winHttp) },
    { cause }
  )
}

/** `HRESULT_FROM_WIN32` of a number of WinHTTP. */
export function hresultOfWinHttp(winHttp: number): string {
  return formatHresult(0x8007_0000 | winHttp)
}

function meaningOfKind(name: string): Meaning {
  if (name.startsWith('HPE_')) return { winHttp: UNREACHABLE.reply, code: 'reply_missing' }
  if (/^(?:ERR_SSL_|ERR_TLS_|EPROTO|CERT_)/.test(name)) return { winHttp: 12175, code: 'chain_invalid' }
  return { winHttp: UNREACHABLE.connect, code: 'server_unreachable' }
}
