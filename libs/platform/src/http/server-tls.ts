import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { AppError } from '@app/core'

/** The key and certificate of the HTTPS listener. */
export interface ServerTls {
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** PEM: the server's certificate first, then the issuers up to but without the root. */
  readonly certificates: string
  /** PEM of the CAs whose client certificates are asked for. Named to clients, so that browsers offer fitting ones. */
  readonly clientAuthorities: readonly string[]
}

/**
 * Forward secrecy and authenticated encryption, and nothing else: what TLS 1.3 has, and of TLS 1.2 what is like it. Every
 * client of the last ten years has one of them (RFC 9325, 4.2).
 */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256'
] as const

/** What of the TLS settings can change while the server runs. Throws `config_invalid` when key and certificate differ. */
export function secureContextOf(tls: ServerTls): SecureContextOptions {
  const options: SecureContextOptions = {
    key: tls.privateKey,
    cert: tls.certificates,
    ...(tls.clientAuthorities.length > 0 ? { ca: [...tls.clientAuthorities] } : {}),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS.join(':'),
    honorCipherOrder: true
  }
  try {
    createSecureContext(options)
  } catch (cause) {
    throw new AppError('config_invalid', 'The certificate of the HTTPS listener does not fit its key.', {}, { cause })
  }
  return options
}

/**
 * The TLS settings of the HTTPS listener that never change. Client certificates are asked for but not demanded, and not
 * judged here: a caller without or with a foreign one may still have another credential, and who a certificate stands
 * for is looked up where the request is authenticated.
 */
export const LISTENER_TLS: TlsOptions = {
  requestCert: true,
  rejectUnauthorized: false,
  ALPNProtocols: ['http/1.1'],
  handshakeTimeout: 10_000
}
