import type { KeyObject } from 'node:crypto'
import { toHex } from '@app/core'
import { HASH_ALGORITHM_OIDS, signMessageText, type MessageHash } from './message-signature.js'
import { AGENT_TYPES, type RequestType } from './registration-request.js'
import { escapeXml } from './xml-document.js'

/** What a client says of itself in a message. */
export interface RegistrationRequestInput {
  readonly type: RequestType
  readonly timeStamp: Date
  /** Left out or empty: the server assigns one. */
  readonly smsid?: string
  /** Makes two messages of one second different; a UUID. */
  readonly messageId?: string
  readonly agent?: { readonly type?: number; readonly version?: string; readonly identity?: string }
  /** DER. */
  readonly signingCertificate: Uint8Array
  /** DER. */
  readonly encryptionCertificate?: Uint8Array
  /** Discovery properties by their names; a registration needs `NetBIOS Name`, `FQ Name` and `InternetFlag`. */
  readonly properties?: Readonly<Record<string, string>>
  /** See {@link buildRegistrationHint}. */
  readonly registrationHint?: string
  readonly order?: { readonly template: string; readonly request: Uint8Array } | { readonly requestId: number }
  /** SHA-256 unless the site still takes SHA-1. */
  readonly hash?: MessageHash
}

/** How a message is signed. */
export interface RequestSigning {
  /** RSA: that of the signing certificate, or of the proxy that signs for its client. */
  readonly privateKey: KeyObject
  /** The proxy's own identifier when a proxy signs. */
  readonly proxySmsid?: string
}

/** The signed part of a request, exactly as it stands in the message. */
export function buildRegistrationData(input: RegistrationRequestInput): string {
  const { type, timeStamp, smsid = '', messageId, agent = {}, hash = 'sha256' } = input
  const attributes = [
    ['HashAlgorithm', HASH_ALGORITHM_OIDS[hash]],
    ...(messageId === undefined ? [] : [['MessageID', messageId]]),
    ['RequestType', type],
    ['SMSID', smsid],
    ['TimeStamp', formatTimeStamp(timeStamp)]
  ]
  const { type: agentType = AGENT_TYPES.client, version = '1.0', identity = 'Certkeep' } = agent
  return [
    `<Data ${attributes.map(([name = '', value = '']) => `${name}="${escapeXml(value)}"`).join(' ')}>`,
    `<AgentInformation AgentIdentity="${escapeXml(identity)}" AgentType="${agentType}" AgentVersion="${escapeXml(version)}"/>`,
    `<Certificates>${certificate('Signing', input.signingCertificate)}`,
    input.encryptionCertificate === undefined ? '' : certificate('Encryption', input.encryptionCertificate),
    '</Certificates>',
    discovery(input.properties),
    input.registrationHint === undefined ? '' : `<RegistrationHint>${input.registrationHint}</RegistrationHint>`,
    order(input.order),
    '</Data>'
  ].join('')
}

/** A signed `ClientRegistrationRequest`. Throws `invalid_argument` for a key that is not RSA. */
export function buildRegistrationRequest(
  input: RegistrationRequestInput,
  { privateKey, proxySmsid }: RequestSigning
): string {
  const data = buildRegistrationData(input)
  const proxy = proxySmsid === undefined ? '' : ` SMSID="${escapeXml(proxySmsid)}"`
  const signature = signMessageText(data, privateKey, input.hash)
  return `<ClientRegistrationRequest>${data}<Signature${proxy}><SignatureValue Encoding="HexBinary">${signature}</SignatureValue></Signature></ClientRegistrationRequest>`
}

/** Proves that whoever registers an SMSID anew holds the key that it is registered with. */
export function buildRegistrationHint(smsid: string, registeredKey: KeyObject): string {
  return signMessageText(smsid, registeredKey)
}

/** A time as messages have it: UTC, to the second. */
export function formatTimeStamp(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

function certificate(name: string, der: Uint8Array): string {
  return `<${name} Encoding="HexBinary" KeyType="1">${toHex(der).toUpperCase()}</${name}>`
}

function discovery(properties: Readonly<Record<string, string>> | undefined): string {
  if (properties === undefined) return ''
  const rows = Object.entries(properties).map(
    ([name, value]) => `<Property Name="${escapeXml(name)}" Value="${escapeXml(value)}"/>`
  )
  return `<DiscoveryProperties>${rows.join('')}</DiscoveryProperties>`
}

function order(input: RegistrationRequestInput['order']): string {
  if (input === undefined) return ''
  if ('requestId' in input) return `<CertificateRequest RequestID="${input.requestId}"/>`
  const hex = toHex(input.request).toUpperCase()
  return `<CertificateRequest Encoding="HexBinary" Template="${escapeXml(input.template)}">${hex}</CertificateRequest>`
}
