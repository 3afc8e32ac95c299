import { AppError, fromBase64 } from '@app/core'
import { Transport, type ConnectionSettings } from './transport.js'

/** A CA of a server. */
export interface Authority {
  /** What requests call it by. */
  readonly name: string
  readonly sanitizedName: string
  readonly kind: 'root' | 'subordinate'
  /** DER of its certificate and all above it, the root last. */
  readonly certificates: readonly Uint8Array[]
  readonly templates: readonly OfferedTemplate[]
}

/** A template that a CA offers. */
export interface OfferedTemplate {
  readonly name: string
  /** Dotted decimal. */
  readonly oid: string
  /** Whether requests for it must carry their private key to be archived; the others must not. */
  readonly archival: boolean
}

/** A CA as the server tells of it: certificates in base64. */
export type AuthorityAnswer = Omit<Authority, 'certificates'> & { readonly certificates: readonly string[] }

/** A CA from what the server tells of it. Throws `server_unreachable` when that is something else. */
export function decodeAuthority({ name, sanitizedName, kind, certificates, templates }: AuthorityAnswer): Authority {
  return { name, sanitizedName, kind, certificates: certificates.map(decodeDer), templates }
}

/** The CAs that the caller may know of. */
export async function listAuthorities(settings: ConnectionSettings): Promise<readonly Authority[]> {
  const transport = new Transport(settings)
  try {
    const { items } = await transport.json<{ readonly items: readonly AuthorityAnswer[] }>({ path: '/api/v1/cas' })
    return items.map(decodeAuthority)
  } finally {
    await transport.close()
  }
}

/** Bytes that the server sends as base64. Throws `server_unreachable` when it sends something else. */
export function decodeDer(base64: string): Uint8Array {
  const bytes = fromBase64(base64)
  if (bytes === undefined) throw new AppError('server_unreachable', 'The server answered something that is not base64.')
  return bytes
}
