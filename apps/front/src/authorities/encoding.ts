import type { FastifyReply } from 'fastify'
import { buildCertificateBundle } from '@app/cms'
import { AppError, toBase64 } from '@app/core'
import { encodePem } from '@app/der'

/** The forms a certificate or message can be asked for in (the CR_OUT_* encodings by name). */
export type Encoding = 'der' | 'pem' | 'base64' | 'p7b'

/** The media types of {@link sendCertificates}. */
export const CERTIFICATE_TYPES = [
  'application/pkix-cert',
  'application/x-pem-file',
  'text/plain',
  'application/x-pkcs7-certificates'
] as const

/** The media types of {@link sendMessage}. */
export const MESSAGE_TYPES = ['application/pkcs7-mime', 'application/x-pem-file', 'text/plain'] as const

/** Answers one or more certificates, the first the one asked for. DER has room for one only. */
export async function sendCertificates(
  reply: FastifyReply,
  certificates: readonly Uint8Array[],
  encoding: Encoding
): Promise<void> {
  const [first] = certificates
  if (first === undefined) throw new AppError('not_found', 'There is no certificate.')
  switch (encoding) {
    case 'der':
      return send(reply, 'application/pkix-cert', first)
    case 'pem':
      return send(reply, 'application/x-pem-file', certificates.map(der => encodePem('CERTIFICATE', der)).join(''))
    case 'base64':
      return send(reply, 'text/plain; charset=utf-8', toBase64(first))
    case 'p7b':
      return send(reply, 'application/x-pkcs7-certificates', buildCertificateBundle({ certificates }))
  }
}

/** Answers a CMS message. A full response is PKCS#7 already, so `p7b` is its DER. */
export async function sendMessage(reply: FastifyReply, message: Uint8Array, encoding: Encoding): Promise<void> {
  switch (encoding) {
    case 'der':
    case 'p7b':
      return send(reply, 'application/pkcs7-mime; smime-type=CMC-Response', message)
    case 'pem':
      return send(reply, 'application/x-pem-file', encodePem('PKCS7', message))
    case 'base64':
      return send(reply, 'text/plain; charset=utf-8', toBase64(message))
  }
}

async function send(reply: FastifyReply, type: string, body: Uint8Array | string): Promise<void> {
  await reply.header('content-type', type).send(typeof body === 'string' ? body : Buffer.from(body))
}

/** The form that an `Accept` header asks for; PEM when it asks for none of them. */
export function encodingOf(accept: string | undefined): Encoding {
  if (accept?.includes('application/pkix-cert')) return 'der'
  if (accept?.includes('application/x-pkcs7-certificates')) return 'p7b'
  return 'pem'
}
