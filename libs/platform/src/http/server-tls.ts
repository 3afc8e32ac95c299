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

/** What of the TLS settings can change while the server runs. Throws `config_invalid` when key and certificate differ. */
export function secureContextOf(tls: ServerTls): SecureContextOptions {
  const options: SecureContextOptions = {
    key: tls.privateKey,
    cert: tls.certificates,
    ...(tls.clientAuthorities.length > 0 ? { ca: [...tls.clientAuthorities] } : {}),
    minVersion: 'TLSv1.2',
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
