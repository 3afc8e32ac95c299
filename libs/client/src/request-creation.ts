import type { KeyObject } from 'node:crypto'
import {
  buildCmcRequest,
  buildPkcs7Request,
  encodeNameValuePairs,
  encodeRequestClientInfo,
  type KeyHash,
  type RequestAttributes,
  type RequestClientInfo,
  type RequestCosigner
} from '@app/cmc'
import { AppError } from '@app/core'
import { signerOf } from '@app/keys'
import { OID } from '@app/oid'
import {
  buildCertificationRequest,
  decodeCertificate,
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  encodeAttribute,
  encodeCertificateTemplateId,
  encodeCertificateTemplateName,
  encodeExtensions,
  encodeName,
  encodeSubjectAltName,
  findExtension,
  parseDistinguishedName,
  type CertificateTemplateId,
  type Extension,
  type GeneralName
} from '@app/x509'
import { wrapPrivateKey, type KeyWrapping } from './key-envelope.js'
import { parseSubjectAltName } from './subject-alt-name.js'

/**
 * The forms of request: Microsoft's CMC, the standard's CMC with CRMF inside, PKCS#10, which carries no key, and PKCS#7: a
 * PKCS#10 that another signs.
 */
export type RequestType = 'cmc' | 'crmf' | 'pkcs10' | 'pkcs7'

/** A certificate with its private key. */
export interface SigningIdentity {
  /** DER */
  readonly certificate: Uint8Array
  readonly privateKey: KeyObject
}

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
  /**
   * The certificate to renew, whose key signs the request; with `keepKey` the new certificate is for that key. Template,
   * subject and alternative names are those of the old certificate where nothing else is said.
   */
  readonly renew?: SigningIdentity & { readonly keepKey?: boolean }
  /** The account (`DOMAIN\\account`) that an enrollment agent makes the request for, and that agent. */
  readonly onBehalfOf?: { readonly account: string; readonly agent: SigningIdentity }
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

/**
 * Builds and signs a request with its own key, and with those that renew or sign for another. Throws `invalid_argument`
 * for names and keys that cannot be had and for what the form cannot carry.
 */
export async function buildRequest(options: RequestOptions, material: RequestMaterial): Promise<CreatedRequest> {
  requireForm(options)
  switch (options.type) {
    case 'pkcs10':
      return buildPkcs10(options, material)
    case 'pkcs7': {
      const { request } = await buildPkcs10(options, material)
      const onBehalfOf = options.onBehalfOf === undefined ? {} : { onBehalfOf: options.onBehalfOf.account }
      return { request: await buildPkcs7Request({ request, signers: cosignersOf(options), ...onBehalfOf }) }
    }
    default:
      return buildCmc(options, options.type, material)
  }
}

function requireForm({ type, renew, onBehalfOf }: RequestOptions): void {
  const isEndorsed = renew !== undefined || onBehalfOf !== undefined
  if (renew !== undefined && onBehalfOf !== undefined) {
    throw unfit('A request renews a certificate or is made on behalf of another, not both.')
  }
  if (type === 'pkcs10' && isEndorsed) {
    throw unfit('A PKCS#10 has no place for the signature of another; use the form cmc or pkcs7.')
  }
  if (type === 'pkcs7' && !isEndorsed) throw unfit('The form pkcs7 is for renewals and requests on behalf of another.')
  if (type === 'crmf' && renew !== undefined) throw unfit('A CRMF request renews nothing; use the form cmc or pkcs7.')
}

function unfit(why: string): AppError {
  return new AppError('invalid_argument', why)
}

/** In CMC the requested key signs by itself, so that a renewal which keeps its key needs no second signature. */
function cosignersOf({ type, renew, onBehalfOf }: RequestOptions): RequestCosigner[] {
  const renewing = renew === undefined || (type !== 'pkcs7' && renew.keepKey === true) ? [] : [renew]
  const identities = [...renewing, ...(onBehalfOf === undefined ? [] : [onBehalfOf.agent])]
  return identities.map(({ certificate, privateKey }) => {
    const signer = signerOf(privateKey)
    return { certificate, scheme: signer.scheme, sign: data => signer.sign(data) }
  })
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
  if (options.renew !== undefined) {
    attributes.push(encodeAttribute(OID.szOID_RENEWAL_CERTIFICATE, [options.renew.certificate]))
  }
  const parts = { subject: subjectOf(options), publicKey: signer.publicKey.raw, attributes }
  return { request: await buildCertificationRequest(parts, signer.scheme, data => signer.sign(data)) }
}

function registrationInfoOf({ attributes = [], onBehalfOf }: RequestOptions): RequestAttributes {
  return onBehalfOf === undefined ? attributes : [...attributes, { name: 'RequesterName', value: onBehalfOf.account }]
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
    registrationInfo: registrationInfoOf(options),
    ...(options.renew === undefined ? {} : { renewedCertificate: options.renew.certificate }),
    cosigners: cosignersOf(options),
    ...ties,
    ...(wrapping === undefined ? {} : { archivedKeyEnvelope: wrapPrivateKey(privateKey, form, wrapping) }),
    scheme: signer.scheme,
    sign: data => signer.sign(data)
  })
}

function subjectOf({ subject, renew }: RequestOptions): Uint8Array {
  if (subject === undefined && renew !== undefined) return decodeCertificate(renew.certificate).subject.raw
  return encodeName(parseDistinguishedName(subject ?? ''))
}

function extensionsOf({ template, subjectAltNames, extensions = [], renew }: RequestOptions): readonly Extension[] {
  const wanted = template ?? (renew === undefined ? undefined : templateOfCertificate(renew.certificate))
  return [
    ...(wanted === undefined ? [] : [templateExtension(wanted)]),
    ...(subjectAltNames === undefined ? altNamesIn(renew) : altNamesOf(subjectAltNames)),
    ...extensions
  ]
}

function altNamesOf(given: NonNullable<RequestOptions['subjectAltNames']>): readonly Extension[] {
  const names = given.map(name => (typeof name === 'string' ? parseSubjectAltName(name) : name))
  if (names.length === 0) return []
  return [{ oid: OID.id_ce_subjectAltName, critical: false, value: encodeSubjectAltName(names) }]
}

function altNamesIn(renew: RequestOptions['renew']): readonly Extension[] {
  if (renew === undefined) return []
  const extension = findExtension(decodeCertificate(renew.certificate), OID.id_ce_subjectAltName)
  return extension === undefined ? [] : [{ ...extension, critical: false }]
}

/** The template that a certificate (DER) says it was made from; undefined when it says none. */
export function templateOfCertificate(certificate: Uint8Array): RequestOptions['template'] {
  const holder = decodeCertificate(certificate)
  const identified = findExtension(holder, OID.szOID_CERTIFICATE_TEMPLATE)
  if (identified !== undefined) return { oid: decodeCertificateTemplateId(identified.value).oid }
  const named = findExtension(holder, OID.szOID_ENROLL_CERTTYPE_EXTENSION)
  return named === undefined ? undefined : { name: decodeCertificateTemplateName(named.value) }
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
