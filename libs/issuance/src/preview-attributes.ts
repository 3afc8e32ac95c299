import {
  comparableAttributeName,
  describeAttribute,
  findNameValuePairs,
  type RequestAttribute,
  type RequestAttributes
} from '@app/cmc'
import { attempt } from '@app/core'
import { OID } from '@app/oid'
import type { Attribute } from '@app/x509'
import { compareStatements, type Statement } from './preview-rows.js'
import type { PreviewField } from './preview-schema.js'

/** What a request says besides its names, key and extensions. */
export interface RequestedAttributes {
  readonly attributes: readonly Attribute[]
  /** The registration-information control of a CMC request. */
  readonly registrationInfo: RequestAttributes
  /** The name-value pairs that came beside the request. */
  readonly requestAttributes: RequestAttributes
}

/** What attributes by which others' requests change a certificate come to here (MS-WCCE 3.2.1.4.2.1.2), by normal name. */
const EFFECTS: ReadonlyMap<string, string> = new Map([
  ['certificatetemplate', 'It names the template.'],
  ['san', 'Alternative names are taken from no attribute; they come from where the template says.'],
  ['certificateusage', 'The purposes are those of the template.'],
  ['validityperiod', 'The validity is that of the template.'],
  ['validityperiodunits', 'The validity is that of the template.'],
  ['expirationdate', 'The validity is that of the template.'],
  ['requestername', 'It says for whom the request is made; the names are those of the directory or the request.']
])

/** The attributes by which officers shorten the validity, by normal name. */
const VALIDITY: ReadonlySet<string> = new Set(['validityperiod', 'validityperiodunits', 'expirationdate'])

const SHORTENS = 'The certificate ends by it, unless the template or the CA certificate ends it earlier.'

const NO_EFFECT = 'No attribute of a request goes into the certificate.'

/** Carried by a row each elsewhere, or as pairs. */
const SHOWN_OTHERWISE: ReadonlySet<string> = new Set([
  OID.extensionRequest,
  OID.szOID_CERT_EXTENSIONS,
  OID.szOID_ENROLLMENT_NAME_VALUE_PAIR
])

/** The attributes of a request, one row each; none of them is in a certificate. */
export function previewAttributes(request: RequestedAttributes, edited: RequestAttributes | undefined): PreviewField[] {
  const own = request.attributes
    .filter(({ oid }) => !SHOWN_OTHERWISE.has(oid))
    .map(attribute => {
      const { oid, name, value } = describeAttribute(attribute)
      return { name: name ?? oid, value }
    })
  const pairs = [...pairsOf(request.attributes), ...request.registrationInfo].map(statementOf)
  const submitted = [...own, ...pairs, ...request.requestAttributes.map(statementOf)]
  const wanted =
    edited === undefined
      ? { submitted, edited: submitted }
      : { submitted, edited: [...own, ...pairs, ...edited.map(pair => editedStatement(request, pair))] }
  return compareStatements('attribute', wanted, [], name => EFFECTS.get(comparableAttributeName(name)) ?? NO_EFFECT)
}

/** Whether officers have set an attribute that shortens the validity. */
export function isValidityShortened(request: RequestedAttributes, edited: RequestAttributes | undefined): boolean {
  return edited?.some(pair => isValidityEdit(request, pair)) ?? false
}

function isValidityEdit({ requestAttributes }: RequestedAttributes, { name, value }: RequestAttribute): boolean {
  const isOwn = requestAttributes.some(pair => pair.name === name && pair.value === value)
  return !isOwn && VALIDITY.has(comparableAttributeName(name))
}

function editedStatement(request: RequestedAttributes, pair: RequestAttribute): Statement {
  return isValidityEdit(request, pair) ? { ...statementOf(pair), objection: SHORTENS } : statementOf(pair)
}

function pairsOf(attributes: readonly Attribute[]): RequestAttributes {
  return attempt(() => findNameValuePairs(attributes)) ?? []
}

function statementOf({ name, value }: RequestAttribute): Statement {
  return { name, value }
}
