import { TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificateTemplateId,
  decodeCertificateTemplateName,
  decodeExtensionValue,
  findExtension,
  type Extension
} from '@app/x509'
import { findRequestAttributes, type RequestAttributes } from './request-attributes.js'

/** What a request says of the template it wants. All of it must point at one template; that is for the policy. */
export interface TemplateReference {
  /** Names from every source, in the order found, none twice but for letter case. */
  readonly names: readonly string[]
  readonly oid?: string
  readonly major?: number
  readonly minor?: number
}

const ATTRIBUTE = 'CertificateTemplate'

/**
 * Collects what a request says of its template (MS-WCCE 3.2.2.6.2.1.4): the extensions 1.3.6.1.4.1.311.20.2 (name) and
 * 1.3.6.1.4.1.311.21.7 (identifier and version), and `CertificateTemplate` in the lists given (name-value pairs,
 * registration information). Throws `x509_structure` or a `der_…` code for a broken extension.
 */
export function templateReferenceOf(
  extensions: readonly Extension[],
  lists: readonly RequestAttributes[]
): TemplateReference {
  const named = findExtension({ extensions }, OID.szOID_ENROLL_CERTTYPE_EXTENSION)
  const identified = findExtension({ extensions }, OID.szOID_CERTIFICATE_TEMPLATE)
  const names = named === undefined ? [] : [decodeTemplateName(named.value)]
  const reference = { names, ...(identified === undefined ? {} : decodeCertificateTemplateId(identified.value)) }
  return lists.reduce(withTemplateAttributes, reference)
}

/**
 * Adds the template names of an attribute list, for instance of the string that came beside the request (MS-WCCE
 * 3.2.1.4.2.1.2).
 */
export function withTemplateAttributes(reference: TemplateReference, attributes: RequestAttributes): TemplateReference {
  const names = [...reference.names]
  for (const name of findRequestAttributes(attributes, ATTRIBUTE)) {
    if (name !== '' && !names.some(known => known.toLowerCase() === name.toLowerCase())) names.push(name)
  }
  return { ...reference, names }
}

/**
 * ```asn1
 * -- on the wire:     BMPString
 * -- in MS-WCCE text: SEQUENCE { name UTF8String }
 * ```
 * MS-WCCE 2.2.2.7.7.1. Every known client writes the first form.
 */
function decodeTemplateName(value: Uint8Array): string {
  if (value[0] !== TAG.sequence) return decodeCertificateTemplateName(value)
  return decodeExtensionValue(value, 'certificate template name', reader => {
    const body = reader.sequence('certificate template name')
    const name = body.string('certificate template name')
    body.end('certificate template name')
    return name
  })
}
