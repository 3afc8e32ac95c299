import { AppError, equalBytes } from '@app/core'
import { findSingleValue } from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeExtensions, type Attribute, type Extension, type Name, type PublicKeyInfo } from '@app/x509'
import { verifyReferences } from './add-controls.js'
import { controlsOf, findOctets } from './control.js'
import {
  findNameValuePairs,
  findOsVersion,
  findRequestClientInfo,
  type RequestClientInfo
} from './microsoft-attribute.js'
import { decodeRegistrationInfo, findRequestAttributes, type RequestAttributes } from './request-attributes.js'
import type { RequestFormat } from './request-flags.js'
import type { CmcMessage, RequestMessage } from './request-message.js'
import { templateReferenceOf, type TemplateReference } from './template-reference.js'

/** Whose habits a request follows, and so its answer: RFC 2797 as Windows has it, or RFC 10002 (RFC 5272). */
export type Dialect = 'microsoft' | 'standard'

/** What a request says, from all the places where it can say it. Nothing here has been verified. */
export interface RequestFacts {
  readonly format: RequestFormat
  readonly dialect: Dialect
  /** The id a response refers to the request by; 1 for forms without body parts (RFC 10002 (RFC 5272), 6.1.1). */
  readonly bodyPartId: number
  /** Undefined for KEYGEN requests, which have none. */
  readonly subject: Name | undefined
  readonly publicKey: PublicKeyInfo
  /** Of the request and of the controls that add to it; no identifier occurs twice. */
  readonly extensions: readonly Extension[]
  /** Of the request and of the controls that add to it; no two are byte for byte the same. */
  readonly attributes: readonly Attribute[]
  readonly template: TemplateReference
  readonly clientInfo?: RequestClientInfo
  readonly osVersion?: string
  /** The registration-information control. */
  readonly registrationInfo: RequestAttributes
  /** The content octets of the INTEGER. */
  readonly transactionId?: Uint8Array
  readonly senderNonce?: Uint8Array
  /** What a response must give back as it is (RFC 10002 (RFC 5272), 6.4). */
  readonly dataReturn?: Uint8Array
}

/**
 * Collects what a request says. Throws `cmc_body_part_id` for a control that adds to another request, `cmc_structure`
 * for extensions that contradict each other, and what the decoders of extensions and attributes throw.
 */
export function requestFactsOf(message: RequestMessage): RequestFacts {
  switch (message.format) {
    case 'pkcs10':
    case 'pkcs7': {
      const { subject, publicKey, extensions, attributes } = message.request
      return assemble(message.format, 1, { subject, publicKey, extensions, attributes }, [])
    }
    case 'keygen': {
      const { publicKey } = message.request
      return assemble('keygen', 1, { subject: undefined, publicKey, extensions: [], attributes: [] }, [])
    }
    case 'cmc':
      return cmcFacts(message)
  }
}

type Wanted = Pick<RequestFacts, 'subject' | 'publicKey' | 'extensions' | 'attributes'>

function assemble(
  format: RequestFormat,
  bodyPartId: number,
  wanted: Wanted,
  registrationInfo: RequestAttributes
): RequestFacts {
  const { extensions, attributes } = wanted
  const clientInfo = findRequestClientInfo(attributes)
  const osVersion = findOsVersion(attributes)
  return {
    format,
    dialect: isMicrosoft(wanted) ? 'microsoft' : 'standard',
    bodyPartId,
    ...wanted,
    template: templateReferenceOf(extensions, [findNameValuePairs(attributes), registrationInfo]),
    ...(clientInfo === undefined ? {} : { clientInfo }),
    ...(osVersion === undefined ? {} : { osVersion }),
    registrationInfo
  }
}

function isMicrosoft({ extensions, attributes }: Wanted): boolean {
  return [...extensions, ...attributes].some(({ oid }) => oid.startsWith('1.3.6.1.4.1.311.'))
}

function cmcFacts(message: CmcMessage): RequestFacts {
  const { controls, request } = message
  const { bodyPartId } = request
  const registrationOctets = findOctets(controls, 'regInfo')
  const registrationInfo = registrationOctets === undefined ? [] : decodeRegistrationInfo(registrationOctets)
  const facts = assemble('cmc', bodyPartId, withAdditions(message), registrationInfo)
  const [transaction] = controlsOf(controls, 'transactionId')
  const senderNonce = findOctets(controls, 'senderNonce')
  const dataReturn = findOctets(controls, 'dataReturn')
  return {
    ...facts,
    dialect: cmcDialect(message, facts.dialect),
    ...(transaction === undefined ? {} : { transactionId: transaction.content }),
    ...(senderNonce === undefined ? {} : { senderNonce }),
    ...(dataReturn === undefined ? {} : { dataReturn })
  }
}

/** Windows adds attributes; standard clients send CRMF, nonces and proofs; only then do the request's own parts tell. */
function cmcDialect(message: CmcMessage, otherwise: Dialect): Dialect {
  const { controls, request } = message
  if (controls.some(({ kind }) => kind === 'addAttributes')) return 'microsoft'
  const isStandard =
    request.kind === 'crmf' || controls.some(({ kind }) => kind !== 'regInfo' && kind !== 'addExtensions')
  return isStandard ? 'standard' : otherwise
}

function withAdditions({ controls, request }: CmcMessage): Wanted {
  const own: Wanted = request.kind === 'pkcs10' ? request.request : { ...request.message.template, attributes: [] }
  const attributes = [...own.attributes]
  const extensions = [...own.extensions]
  for (const control of controlsOf(controls, 'addAttributes')) {
    verifyReferences(control, request.bodyPartId, control.bodyPartId)
    for (const attribute of control.attributes) {
      if (!attributes.some(({ raw }) => equalBytes(raw, attribute.raw))) attributes.push(attribute)
      addExtensions(extensions, extensionsIn(attribute))
    }
  }
  for (const control of controlsOf(controls, 'addExtensions')) {
    verifyReferences(control, request.bodyPartId, control.bodyPartId)
    addExtensions(extensions, control.extensions)
  }
  return { subject: own.subject, publicKey: own.publicKey, extensions, attributes }
}

/** Old clients put the extension request beside the PKCS#10 instead of inside of it (MS-WCCE 2.2.2.6). */
function extensionsIn(attribute: Attribute): Extension[] {
  if (attribute.oid !== OID.extensionRequest && attribute.oid !== OID.szOID_CERT_EXTENSIONS) return []
  return attribute.values.flatMap(value => {
    const reader = DerReader.over(value)
    const extensions = decodeExtensions(reader, 'added extension request')
    reader.end('added extension request')
    return extensions
  })
}

/** A contradiction within one message is refused (RFC 10002 (RFC 5272), 6.5.2); saying the same twice is not one. */
function addExtensions(extensions: Extension[], added: readonly Extension[]): void {
  for (const extension of added) {
    const known = extensions.find(({ oid }) => oid === extension.oid)
    if (known === undefined) extensions.push(extension)
    else if (known.critical !== extension.critical || !equalBytes(known.value, extension.value)) {
      throw new AppError('cmc_structure', `The message asks for two different extensions ${extension.oid}.`, {
        oid: extension.oid
      })
    }
  }
}

/** Whose name a request is made in, and whose signatures cover that name. */
export interface RequesterName {
  /** As the message has it. */
  readonly account: string
  /** Places among the signers of the message, from 0; `all` where the name is part of what they all sign. */
  readonly signedBy: 'all' | readonly number[]
}

/**
 * For whom a request is made when it is made on behalf of another; undefined when it is not. The name may stand in the
 * registration information, among the request's attributes or among a signer's signed ones, and nowhere else (MS-WCCE
 * 3.2.1.4.2.1.4). Throws `cms_attribute_repeated` for two different names, or a `der_…` code.
 */
export function findRequesterName(facts: RequestFacts, message: RequestMessage): RequesterName | undefined {
  const common = findRequestAttributes([...facts.registrationInfo, ...findNameValuePairs(facts.attributes)], NAME)
  const signers = 'signedData' in message ? message.signedData.signerInfos : []
  const bySigner = signers.map(({ signedAttributes }) =>
    findRequestAttributes(findNameValuePairs(signedAttributes?.list ?? []), NAME)
  )
  const [account, ...others] = [...common, ...bySigner.flat()]
  if (account === undefined) return undefined
  if (others.some(other => other.toLowerCase() !== account.toLowerCase())) {
    throw new AppError('cms_attribute_repeated', 'The message names two different accounts that it is made for.')
  }
  if (common.length > 0) return { account, signedBy: 'all' }
  return { account, signedBy: bySigner.flatMap((names, index) => (names.length > 0 ? [index] : [])) }
}

const NAME = 'requestername'

/**
 * The certificate element that a request wants to renew; undefined when it is no renewal (MS-WCCE 2.2.2.7.3). Throws
 * `cms_attribute_repeated` or `cms_attribute_values` unless it is one.
 */
export function findRenewedCertificate(facts: RequestFacts): Uint8Array | undefined {
  return findSingleValue(facts.attributes, OID.szOID_RENEWAL_CERTIFICATE, 'renewal certificate')
}
