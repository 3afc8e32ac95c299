import { TLSSocket, type DetailedPeerCertificate } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import type { PrincipalId } from '@app/core'
import type { SignedRegistrationRequest } from '@app/registration'

/** What the connection of a message tells of its sender. */
export interface Transport {
  /** With a client certificate of the TLS connection it is native mode, without one mixed mode. */
  readonly mode: 'mixed' | 'native'
  /** DER of the client certificate, and of what the client sent with it. */
  readonly certificate?: Uint8Array
  readonly intermediates: readonly Uint8Array[]
  readonly isEncrypted: boolean
}

/** A message as received, with what is known of its sender. */
export interface ReceivedMessage {
  readonly message: SignedRegistrationRequest
  readonly transport: Transport
  /** The account of the directory that sends it, when it proved to be one. */
  readonly callerId: PrincipalId | null
}

/** At most so many certificates are looked at beside the client's own. */
const maxIntermediates = 8

/** What the connection of a call tells of its sender. */
export function transportOf({ raw: { socket } }: FastifyRequest): Transport {
  if (!(socket instanceof TLSSocket)) return { mode: 'mixed', intermediates: [], isEncrypted: false }
  const peer = socket.getPeerX509Certificate()
  if (peer === undefined) return { mode: 'mixed', intermediates: [], isEncrypted: true }
  const intermediates: Uint8Array[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true).issuerCertificate
  while (next?.raw !== undefined && intermediates.length < maxIntermediates) {
    const { raw } = next
    if (intermediates.some(known => raw.equals(known))) break
    intermediates.push(raw)
    next = next.issuerCertificate
  }
  return { mode: 'native', certificate: peer.raw, intermediates, isEncrypted: true }
}
