import { isAppError, toHex } from '@app/core'
import { describeGeneralName } from '@app/cmc'
import { OID } from '@app/oid'
import { areNamesRequested, explainNames, findAltNameObjection, findSubjectObjection } from '@app/policy'
import type { CertificateTemplate } from '@app/templates'
import {
  decodeSubjectAltName,
  findExtension,
  findNameAttributeType,
  type Extension,
  type GeneralName,
  type Name,
  type NameAttribute
} from '@app/x509'
import { compareStatements, type Statement } from './preview-rows.js'
import type { PreviewField } from './preview-schema.js'

/** Who says something: the request as it came, the request as officers left it, the certificate. */
export interface Sides<T> {
  readonly submitted: T
  readonly edited: T
  /** Undefined when there would be no certificate. */
  readonly issued: T | undefined
}

/** By what names are taken or not. */
export interface NameRules {
  readonly template: CertificateTemplate
  readonly isRenewal: boolean
}

/** The attributes of the subject, one row each. */
export function previewSubject(rules: NameRules, sides: Sides<Name | undefined>): PreviewField[] {
  const { submitted, edited, issued } = sides
  const wanted = (name: Name | undefined): Statement[] =>
    (name?.rdns.flat() ?? []).map(attribute => wantedAttribute(rules, attribute))
  const first = wanted(submitted)
  return compareStatements(
    'subject',
    { submitted: first, edited: edited === submitted ? first : wanted(edited) },
    (issued?.rdns.flat() ?? []).map(attributeStatement),
    () => explainNames(rules.template, rules.isRenewal).subject
  )
}

function wantedAttribute({ template, isRenewal }: NameRules, attribute: NameAttribute): Statement {
  const objection = areNamesRequested(template, isRenewal) ? findSubjectObjection(attribute) : undefined
  return { ...attributeStatement(attribute), ...(objection === undefined ? {} : { objection }) }
}

function attributeStatement({ type, value }: NameAttribute): Statement {
  return { name: findNameAttributeType(type)?.keywords[0] ?? type, value }
}

/** The subject alternative names, one row each; an extension that cannot be read is one row in hexadecimal. */
export function previewAltNames(rules: NameRules, sides: Sides<readonly Extension[]>): PreviewField[] {
  const { template, isRenewal } = rules
  const { submitted, edited, issued } = sides
  const objection = (name: GeneralName): string | undefined =>
    areNamesRequested(template, isRenewal) ? findAltNameObjection(template, name) : undefined
  const wanted = (extensions: readonly Extension[]): Statement[] =>
    altNameStatements(extensions, objection).map(({ critical: _critical, ...statement }) => statement)
  const first = wanted(submitted)
  return compareStatements(
    'subjectAltName',
    { submitted: first, edited: edited === submitted ? first : wanted(edited) },
    altNameStatements(issued ?? [], () => undefined),
    () => explainNames(template, isRenewal).altNames
  )
}

function altNameStatements(
  extensions: readonly Extension[],
  objectionTo: (name: GeneralName) => string | undefined
): Statement[] {
  const extension = findExtension({ extensions }, OID.id_ce_subjectAltName)
  if (extension === undefined) return []
  const { critical, value } = extension
  try {
    return decodeSubjectAltName(value).map(name => {
      const described = describeGeneralName(name)
      const objection = objectionTo(name)
      return {
        name: described.type === undefined ? described.kind : `${described.kind} ${described.type}`,
        value: described.value,
        critical,
        ...(objection === undefined ? {} : { objection })
      }
    })
  } catch (error) {
    if (!isAppError(error)) throw error
    return [{ name: 'unreadable', value: toHex(value), critical, objection: error.message }]
  }
}
