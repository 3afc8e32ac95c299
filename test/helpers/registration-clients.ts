import { createHash, randomUUID } from 'node:crypto'
import { OID } from '@app/oid'
import {
  buildRegistrationRequest,
  contentDigestOf,
  decodeRegistrationResponse,
  verifyReply,
  type RegistrationReply,
  type RegistrationRequestInput,
  type RegistrationResponse
} from '@app/registration'
import { encodeExtendedKeyUsage, encodeKeyUsage } from '@app/x509'
import { sampleRsaKey } from './escrow-samples.js'
import type { HttpAnswer, HttpCaller } from './http-calls.js'
import { buildSampleCertificate, nameOf, toSampleKey, type SampleKey } from './x509-samples.js'

/** A computer that registers, with a self-signed certificate. */
export interface SampleClient {
  readonly key: SampleKey
  readonly certificate: Uint8Array
  readonly name: string
}

/** One of the keys of the test run; two clients with one index have one key. */
export function sampleClient(index: number, name = `PC${index}`): SampleClient {
  const key = toSampleKey(sampleRsaKey(index))
  return {
    key,
    name,
    certificate: clientCertificate(key, { subject: nameOf(`CN=${name}`), issuer: nameOf(`CN=${name}`) })
  }
}

/** A certificate for a client, self-signed unless there is an issuer. */
export function clientCertificate(
  key: SampleKey,
  parts: Parameters<typeof buildSampleCertificate>[1],
  issuer = key
): Uint8Array {
  const now = Date.now()
  const extensions = [
    { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature']) },
    { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.id_kp_clientAuth]) }
  ]
  const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) }
  const serialNumber = Uint8Array.of(1, ...createHash('sha256').update(randomUUID()).digest().subarray(0, 8))
  return buildSampleCertificate(key, { ...validity, extensions, serialNumber, ...parts }, issuer)
}

/** A signed message of a client. */
export function messageOf(client: SampleClient, changes: Partial<RegistrationRequestInput> = {}): string {
  const { type = 'Registration' } = changes
  const properties = {
    'NetBIOS Name': client.name,
    'FQ Name': `${client.name}.example.org`.toLowerCase(),
    InternetFlag: '0'
  }
  const input = {
    type,
    timeStamp: new Date(),
    messageId: randomUUID(),
    signingCertificate: client.certificate,
    ...(type === 'Registration' ? { properties } : {}),
    ...changes
  }
  return buildRegistrationRequest(input, { privateKey: client.key.privateKey })
}

/** Sends a message in its XML form. */
export function send(call: HttpCaller, path: string, body: string, token?: string): Promise<HttpAnswer> {
  return call({
    method: 'POST',
    path: `/api/v1/configmgr/registrations${path}`,
    headers: { 'content-type': 'application/xml', 'content-digest': contentDigestOf(Buffer.from(body)) },
    body,
    ...(token === undefined ? {} : { token })
  })
}

/** Registers a client and gives what was answered. */
export async function register(
  call: HttpCaller,
  client: SampleClient,
  changes: Partial<RegistrationRequestInput> = {},
  token?: string
): Promise<RegistrationResponse> {
  const answer = await send(call, '', messageOf(client, changes), token)
  if (answer.status !== 200) throw new Error(answer.body.toString('utf8'))
  return decodeRegistrationResponse(answer.body.toString('utf8'))
}

/** Asks what became of a registration. */
export async function confirm(call: HttpCaller, client: SampleClient, smsid: string): Promise<RegistrationResponse> {
  const answer = await send(call, `/${smsid}/confirmation`, messageOf(client, { type: 'Confirmation', smsid }))
  return decodeRegistrationResponse(answer.body.toString('utf8'))
}

/** Asks until it is no longer pending. */
export async function outcomeOf(call: HttpCaller, client: SampleClient, smsid: string): Promise<RegistrationResponse> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const answer = await confirm(call, client, smsid)
    if (answer.status !== 1) return answer
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error(`${smsid} stays pending.`)
}

/** The reason that the JSON form tells. */
export async function refusalOf(call: HttpCaller, message: string, path = ''): Promise<RegistrationReply> {
  const data = /<Data[^]*<\/Data>/.exec(message)?.[0]
  const signature = /<SignatureValue[^>]*>([0-9A-F]*)</.exec(message)?.[1]
  const answer = await call({
    method: 'POST',
    path: `/api/v1/configmgr/registrations${path}`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data, signature })
  })
  return answer.json<RegistrationReply>()
}

/** Verifies the signature of an answer to a body; throws what the SDK would. */
export function verifyAnswer(answer: HttpAnswer, body: string, known: readonly Uint8Array[]): void {
  const headers = answer.headers as Readonly<Record<string, string | undefined>>
  const requestDigest = contentDigestOf(Buffer.from(body))
  const contentType = headers['content-type'] ?? ''
  verifyReply({ status: answer.status, contentType, body: answer.body, requestDigest, headers }, known, new Date())
}
