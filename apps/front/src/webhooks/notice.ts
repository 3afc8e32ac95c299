import { createHmac } from 'node:crypto'
import { AppError, fromBase64 } from '@app/core'
import type { CaRow, DeliveryRow, RequestEvent, RequestOutcome } from '@app/storage'
import { requestView } from '../enrollment/request-view.js'

/** One notice, ready to be sent. */
export interface Notice {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const PREFIX = 'whsec_'
const LEAST_BYTES = 24
const MOST_BYTES = 64

/**
 * The secrets in the text of a file, one a line: base64 of 24 to 64 bytes, after `whsec_` or bare (Standard Webhooks,
 * Signature scheme). Throws `config_invalid` for anything else, without showing it.
 */
export function decodeSecrets(text: string, path: string): readonly Uint8Array[] {
  const lines = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  return lines.map(line => {
    const secret = fromBase64(line.startsWith(PREFIX) ? line.slice(PREFIX.length) : line)
    if (secret !== undefined && secret.length >= LEAST_BYTES && secret.length <= MOST_BYTES) return secret
    throw new AppError(
      'config_invalid',
      `${path} does not hold base64 of ${LEAST_BYTES} to ${MOST_BYTES} bytes; make one with: openssl rand -base64 32`,
      { path }
    )
  })
}

/**
 * What a receiver is told: what RetrievePending tells the requester, as it was at the time of the event. Never the
 * request, the certificate or a key.
 */
export function noticeBody(
  delivery: DeliveryRow & { readonly event: RequestEvent },
  outcome: RequestOutcome,
  ca: CaRow,
  publicUrl: string
): string {
  const { event, dispositionMessage, failureCode, occurredAt, recoveryId } = delivery
  // Of a recovery it is told what has become of the request long before.
  const state = event === 'recovered' ? outcome.state : event
  const isResolved = state !== 'pending'
  const hasCertificate = state === 'issued' || state === 'revoked'
  const { links, ...view } = requestView(
    {
      ...outcome,
      state,
      dispositionMessage,
      failureCode,
      resolvedAt: isResolved ? outcome.resolvedAt : null,
      serialNumber: hasCertificate ? outcome.serialNumber : null
    },
    ca
  )
  const absolute = Object.entries(links).map(([name, path]) => [name, `${publicUrl}${path}`])
  return JSON.stringify({
    type: `request.${event}`,
    timestamp: occurredAt.toISOString(),
    data: {
      ...view,
      ...(recoveryId === null ? {} : { recoveryId }),
      links: Object.fromEntries(absolute) as Record<string, string>
    }
  })
}

/** What a receiver is told of a recovery drill that failed: which one, and why. */
export function drillNoticeBody({ drillId, dispositionMessage, failureCode, occurredAt }: DeliveryRow): string {
  return JSON.stringify({
    type: 'drill.failed',
    timestamp: occurredAt.toISOString(),
    data: { drillId, code: failureCode, message: dispositionMessage }
  })
}

/**
 * Signs a body as Standard Webhooks has it: HMAC-SHA256 over id, time and body joined by full stops, one signature for
 * each secret. The id is the same at every attempt.
 */
export function signNotice(id: string, body: string, secrets: readonly Uint8Array[], now: Date): Notice {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const signatures = secrets.map(secret =>
    createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  )
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Certkeep',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.map(signature => `v1,${signature}`).join(' ')
    }
  }
}
