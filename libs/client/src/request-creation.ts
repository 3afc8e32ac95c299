import type { KeyObject } from 'node:crypto'
import {
  buildCmcRequest,
  encodeNameValuePairs,
  encodeRequestClientInfo,
  type KeyHash,
  type RequestAttributes,
  type RequestClientInfo
} from '@app/cmc'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  encodeAttribute,
  encodeCertificateTemplateId,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeName,
  encodeSubjectAltName,
  parseDistinguishedName,
  type CertificateTemplateId,
  type Extension,
  type GeneralName
} from '@app/x509'
import { wrapPrivateKey, type KeyWrapping } from './key-envelope.js'
import { parseSubjectAltName } from './subject-alt-name.js'

/** The forms of request: Microsoft's CMC, the standard's CMC with CRMF inside, and PKCS#10, which carries no key. */
export type RequestType = 'cmc' | 'crmf' | 'pkcs10'

/** What a request asks for. */
export interface RequestOptions {
  readonly type: RequestType
  /** The text form of a name (RFC 4514; Windows' keywords too), or nothing where the template takes it from elsewhere. */
  readonly subject?: string
  /** A template by its name, or by its identifier with an optional version. */
  readonly template?: { readonly name: string } | CertificateTemplateId
  /** Names, or their text as {@link parseSubjectAltName} reads it. */
  readonly subjectAltNames?: readonly (GeneralName | string)[]
  /** Request attributes that the signature covers. */
  readonly attributes?: RequestAttributes
  /** Extensions to ask for besides those that the options above make. */
  readonly extensions?: readonly Extension[]
  /** Told to the CA when given, as certreq does. Not in `crmf`, which has no place for it. */
  readonly clientInfo?: RequestClientInfo
}

/** What ties a response to its request. */
export interface RequestTies {
  /** Content octets of an INTEGER. */
  readonly transactionId: Uint8Array
  readonly senderNonce: Uint8Array
}

/** What a request is made with. */
export interface RequestMaterial {
  readonly privateKey: KeyObject
  /** Present when the private key is to be archived. */
  readonly wrapping?: KeyWrapping
  readonly ties?: RequestTies
}

/** A request, and the hash of the archived key that the response must tell. */
export interface CreatedRequest {
  /** DER */
  readonly request: Uint8Array
  readonly keyHash?: KeyHash
}

/** Builds and signs a request with its own key. Throws `invalid_argument` for names and keys that cannot be had. */
export function buildRequest(options: RequestOptions, material: RequestMaterial): Promise<CreatedRequest> {
  return options.type === 'pkcs10' ? buildPkcs10(options, material) : buildCmc(options, options.type, material)
}

async function buildPkcs10(options: RequestOptions, { privateKey }: RequestMaterial): Promise<CreatedRequest> {
  const signer = signerOf(privateKey)
  const extensions = extensionsOf(options)
  const attributes: Uint8Array[] = []
  if (extensions.length > 0) {
    attributes.push(encodeAttribute(OID.extensionRequest, [encodeExtensions(extensions)]))
  }
  if ((options.attributes ?? []).length > 0) attributes.push(encodeNameValuePairs(options.attributes ?? []))
  if (options.clientInfo !== undefined) attributes.push(encodeRequestClientInfo(options.clientInfo))
  const parts = { subject: subjectOf(options), publicKey: signer.publicKey.raw, attributes }
  return { request: await buildCertificationRequest(parts, signer.scheme, data => signer.sign(data)) }
}

function buildCmc(options: RequestOptions, type: 'cmc' | 'crmf', material: RequestMaterial): Promise<CreatedRequest> {
  const { privateKey, wrapping, ties } = material
  const signer = signerOf(privateKey)
  const form = type === 'cmc' ? 'microsoft' : 'standard'
  return buildCmcRequest({
    dialect: type === 'cmc' ? 'microsoft' : 'standard-crmf',
    subject: subjectOf(options),
    publicKey: signer.publicKey.raw,
    extensions: extensionsOf(options),
    ...(options.clientInfo === undefined ? {} : { clientInfo: options.clientInfo }),
    ...(options.attributes === undefined ? {} : { registrationInfo: options.attributes }),
    ...ties,
    ...(wrapping === undefined ? {} : { archivedKeyEnvelope: wrapPrivateKey(privateKey, form, wrapping) }),
    scheme: signer.scheme,
    sign: data => signer.sign(data)
  })
}

function subjectOf({ subject = '' }: RequestOptions): Uint8Array {
  return encodeName(parseDistinguishedName(subject))
}

function extensionsOf({ template, subjectAltNames = [], extensions = [] }: RequestOptions): readonly Extension[] {
  const names = subjectAltNames.map(name => (typeof name === 'string' ? parseSubjectAltName(name) : name))
  return [
    ...(template === undefined ? [] : [templateExtension(template)]),
    ...(names.length === 0
      ? []
      : [{ oid: OID.id_ce_subjectAltName, critical: false, value: encodeSubjectAltName(names) }]),
    ...extensions
  ]
}

function templateExtension(template: NonNullable<RequestOptions['template']>): Extension {
  return 'name' in template
    ? {
        oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION,
        critical: false,
        value: encodeCertificateTemplateName(template.name)
      }
    : { oid: OID.szOID_CERTIFICATE_TEMPLATE, critical: false, value: encodeCertificateTemplateId(template) }
}
