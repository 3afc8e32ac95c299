import { AppError, fromHex } from '@app/core'
import { HASH_ALGORITHM_OIDS, type MessageHash } from './message-signature.js'
import { RequestFields } from './request-fields.js'
import { isSmsid } from './smsid.js'
import { invalid, parseXmlDocument, type XmlElement } from './xml-document.js'

/** `Data@RequestType`. `Enrollment` is this program's own: a registered client asks its site for a certificate. */
export const REQUEST_TYPES = ['Registration', 'Confirmation', 'Enrollment'] as const

/** A member of {@link REQUEST_TYPES}. */
export type RequestType = (typeof REQUEST_TYPES)[number]

/** `AgentInformation@AgentType`. Both numbers of a device are in use. */
export const AGENT_TYPES = { client: 0, bootMedia: 1, device2: 2, device3: 3, proxy: 4, proxyClient: 8 } as const

/** The properties that a registration must have, as the documentation writes them. */
export const MANDATORY_PROPERTIES = ['NetBIOS Name', 'FQ Name', 'InternetFlag'] as const

/** Who sends a message. */
export interface AgentInformation {
  readonly type: number
  readonly version: string
  readonly identity: string
}

/** What a client asks its site to enroll it for. */
export interface CertificateOrder {
  /** The template's name; absent when a request is asked after that was made before. */
  readonly template: string | undefined
  /** A PKCS#10 in DER. */
  readonly request: Uint8Array | undefined
  /** The number of a request that was made before. */
  readonly requestId: number | undefined
}

/** The signed part of a request. */
export interface RegistrationRequest {
  readonly type: RequestType
  /** `Data@TimeStamp`, to the second. */
  readonly timeStamp: Date
  /** Empty: the server assigns one. */
  readonly smsid: string
  /** What `Data@HashAlgorithm` announces; undefined without it. */
  readonly hash: MessageHash | undefined
  /** `Data@MessageID`: makes two messages of one second different. Absent from other programs' messages. */
  readonly messageId: string | undefined
  readonly agent: AgentInformation
  /** DER. */
  readonly signingCertificate: Uint8Array
  /** DER. */
  readonly encryptionCertificate: Uint8Array | undefined
  /** By names in lower case. */
  readonly properties: ReadonlyMap<string, string>
  /** The signature of the SMSID by a certificate that is registered already, in hexadecimal. */
  readonly registrationHint: string | undefined
  readonly order: CertificateOrder | undefined
}

/** A request as received. */
export interface SignedRegistrationRequest {
  readonly request: RegistrationRequest
  /** The exact text from `<Data` to `</Data>`, which is what is signed. */
  readonly data: string
  /** Hexadecimal. */
  readonly signature: string
  /** `Signature@SMSID`: the proxy that signs for its client. */
  readonly proxySmsid: string | undefined
}

/** The value of a discovery property; undefined when it is absent or empty. */
export function propertyOf(request: RegistrationRequest, name: string): string | undefined {
  const value = request.properties.get(name.toLowerCase())
  return value === undefined || value === '' ? undefined : value
}

/**
 * Reads a `ClientRegistrationRequest`. Elements and attributes that are not known are left aside. Throws
 * `registration_schema_invalid` with all fields that are missing or wrong.
 */
export function decodeRegistrationRequest(text: string): SignedRegistrationRequest {
  const root = parseXmlDocument(text)
  if (root.name !== 'ClientRegistrationRequest') {
    throw invalid(`The message is a "${root.name.slice(0, 64)}" and not a ClientRegistrationRequest.`, [root.name])
  }
  const fields = new RequestFields()
  const data = fields.child(root, 'Data', 'Data')
  const signature = fields.child(root, 'Signature', 'Signature')
  const value = signature && fields.child(signature, 'SignatureValue', 'Signature/SignatureValue')
  const hex = value && fields.hex(value, 'Signature/SignatureValue')
  const request = data && readData(data, fields)
  const proxySmsid = signature?.attributes['SMSID']
  if (proxySmsid !== undefined && !isSmsid(proxySmsid)) fields.wrong('Signature@SMSID', 'is no GUID: identifier')
  fields.finish()
  if (request === undefined || hex === undefined) throw new AppError('internal', 'A field was not checked.')
  return { request, data: rawData(text, root), signature: hex, proxySmsid }
}

/** Reads the signed part alone, as the JSON form carries it. Throws as {@link decodeRegistrationRequest}. */
export function decodeRegistrationData(text: string): RegistrationRequest {
  const root = parseXmlDocument(text)
  const fields = new RequestFields()
  if (root.name !== 'Data') fields.wrong('data', 'is no Data element')
  if (!text.startsWith('<Data') || !text.endsWith('>')) fields.wrong('data', 'has text around the Data element')
  const request = readData(root, fields)
  fields.finish()
  if (request === undefined) throw new AppError('internal', 'A field was not checked.')
  return request
}

/**
 * The text of the one Data element. It must be the only one at any depth: another, in an element that nobody knows, could
 * be what was signed while this one is what is read (signature wrapping). Nothing else could look like it: no comment, no
 * CDATA section, and `<` stands for itself nowhere else. Throws `registration_schema_invalid`.
 */
function rawData(text: string, root: XmlElement): string {
  if (countOf('Data', root) !== 1) throw invalid('The message has a Data element more than once.', ['Data'])
  const start = /<Data(?=[\s/>])/.exec(text)
  const end = /<\/Data\s*>/.exec(text)
  if (start === null || end === null) throw invalid('The message has an empty Data element.', ['Data'])
  return text.slice(start.index, end.index + end[0].length)
}

function countOf(name: string, { children }: XmlElement): number {
  return children.reduce((count, child) => count + (child.name === name ? 1 : 0) + countOf(name, child), 0)
}

function readData(data: XmlElement, fields: RequestFields): RegistrationRequest | undefined {
  const type = fields.oneOf(data, 'RequestType', 'Data@RequestType', REQUEST_TYPES)
  const timeStamp = fields.time(data, 'TimeStamp', 'Data@TimeStamp')
  const smsid = fields.attribute(data, 'SMSID', 'Data@SMSID')
  if (smsid !== undefined && !(smsid === '' && type === 'Registration') && !isSmsid(smsid)) {
    fields.wrong('Data@SMSID', 'is no GUID: identifier')
  }
  const agent = readAgent(data, fields)
  const certificates = fields.child(data, 'Certificates', 'Data/Certificates')
  const signing = certificates && fields.child(certificates, 'Signing', 'Data/Certificates/Signing')
  const signingCertificate = signing && fields.bytes(signing, 'Data/Certificates/Signing')
  const encryption = certificates && fields.optional(certificates, 'Encryption', 'Data/Certificates/Encryption')
  const hint = fields.optional(data, 'RegistrationHint', 'Data/RegistrationHint')
  const properties = fields.properties(data, type === 'Registration' ? MANDATORY_PROPERTIES : [])
  const order = type === 'Enrollment' ? readOrder(data, fields) : undefined
  const hash = readHash(data, fields)
  const read = {
    encryptionCertificate: encryption && fields.bytes(encryption, 'Data/Certificates/Encryption'),
    registrationHint: hint && fields.hex(hint, 'Data/RegistrationHint'),
    messageId: data.attributes['MessageID']
  }
  if (type === undefined || timeStamp === undefined || smsid === undefined) return undefined
  if (agent === undefined || signingCertificate === undefined) return undefined
  return { type, timeStamp, smsid, hash, agent, signingCertificate, properties, order, ...read }
}

function readHash(data: XmlElement, fields: RequestFields): MessageHash | undefined {
  const oid = data.attributes['HashAlgorithm']
  if (oid === undefined || oid === '') return undefined
  if (oid === HASH_ALGORITHM_OIDS.sha256) return 'sha256'
  if (oid === HASH_ALGORITHM_OIDS.sha1) return 'sha1'
  fields.wrong('Data@HashAlgorithm', 'is neither RSA with SHA-256 nor RSA with SHA-1')
  return undefined
}

function readAgent(data: XmlElement, fields: RequestFields): AgentInformation | undefined {
  const element = fields.child(data, 'AgentInformation', 'Data/AgentInformation')
  if (element === undefined) return undefined
  const path = 'Data/AgentInformation'
  const type = fields.oneOf(element, 'AgentType', `${path}@AgentType`, Object.values(AGENT_TYPES).map(String))
  const version = fields.attribute(element, 'AgentVersion', `${path}@AgentVersion`)
  const identity = fields.attribute(element, 'AgentIdentity', `${path}@AgentIdentity`)
  if (type === undefined || version === undefined || identity === undefined) return undefined
  return { type: Number(type), version, identity }
}

function readOrder(data: XmlElement, fields: RequestFields): CertificateOrder | undefined {
  const path = 'Data/CertificateRequest'
  const element = fields.child(data, 'CertificateRequest', path)
  if (element === undefined) return undefined
  const id = element.attributes['RequestID']
  if (id !== undefined) {
    if (!/^[1-9][0-9]{0,9}$/.test(id)) fields.wrong(`${path}@RequestID`, 'is no number of a request')
    return { template: undefined, request: undefined, requestId: Number(id) }
  }
  const template = fields.attribute(element, 'Template', `${path}@Template`)
  const hex = fields.hex(element, path)
  return { template, request: hex === undefined ? undefined : fromHex(hex.toLowerCase()), requestId: undefined }
}
