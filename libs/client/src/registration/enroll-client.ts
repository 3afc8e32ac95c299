import { sign } from 'node:crypto'
import { AppError, equalBytes } from '@app/core'
import { decodePem } from '@app/der'
import { generateKeyPairOf } from '@app/keys'
import type { RegistrationRequestInput } from '@app/registration'
import { buildCertificationRequest, decodeCertificate, encodeName, schemeFor } from '@app/x509'
import type { StoredIdentity } from './certificate-stores.js'

/** Sends a message of the type Enrollment and gives the verified body of the reply. */
export type EnrollmentExchange = (order: NonNullable<RegistrationRequestInput['order']>) => Promise<string>

interface EnrollmentReply {
  readonly request: {
    readonly requestId: number
    readonly dispositionName: string
    readonly dispositionMessage: string
  }
  readonly certificates?: readonly string[]
}

const waiting: ReadonlySet<string> = new Set(['under_submission', 'incomplete'])

/**
 * Makes a key and gets a certificate of a template for it, asking again while the request waits. Throws what the exchange
 * throws, `denied_by_officer` when the request came to nothing, `response_key_mismatch` for a certificate of another key.
 */
export async function enrollRegistered(
  template: string,
  exchange: EnrollmentExchange,
  wait: () => Promise<void>
): Promise<StoredIdentity> {
  const { privateKey, publicKey } = await generateKeyPairOf('rsa-2048')
  // The template says what the subject is.
  const parts = { subject: encodeName([]), publicKey: publicKey.raw, attributes: [] }
  const request = await buildCertificationRequest(parts, schemeFor(publicKey), async info =>
    sign('sha256', info, privateKey)
  )
  let reply = JSON.parse(await exchange({ template, request })) as EnrollmentReply
  while (reply.certificates === undefined && waiting.has(reply.request.dispositionName)) {
    await wait()
    reply = JSON.parse(await exchange({ requestId: reply.request.requestId })) as EnrollmentReply
  }
  const [certificate, ...chain] = (reply.certificates ?? []).flatMap(pem => decodePem(pem)).map(({ bytes }) => bytes)
  if (certificate === undefined) {
    const { requestId, dispositionName, dispositionMessage } = reply.request
    throw new AppError(
      'denied_by_officer',
      `The request ${requestId} got no certificate: it is ${dispositionName}. ${dispositionMessage}`,
      {
        requestId
      }
    )
  }
  if (equalBytes(decodeCertificate(certificate).publicKey.raw, publicKey.raw)) return { certificate, chain, privateKey }
  throw new AppError('response_key_mismatch', 'The certificate is not for the key that was made.')
}
