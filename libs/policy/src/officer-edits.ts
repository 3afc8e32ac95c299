import { AppError } from '@app/core'
import type { RequestAttributes } from '@app/cmc'
import { OID } from '@app/oid'
import { ENROLLMENT_FLAG, isSubjectFromRequest, purposesOf, type CertificateTemplate } from '@app/templates'
import {
  decodeCertificatePolicies,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeSubjectAltName,
  type Extension
} from '@app/x509'
import { applyAttributes } from './officer-attributes.js'
import type { RequestToJudge } from './request-to-judge.js'
import { requestedAltNames } from './requested-names.js'

/** An extension that an officer put into a pending request (MS-CSRA 3.1.4.1.7). */
export interface ExtensionEdit {
  readonly kind: 'extension'
  readonly oid: string
  /** The content of the extension's OCTET STRING; undefined when it is disabled, so that the certificate lacks it. */
  readonly value: Uint8Array | undefined
  readonly critical: boolean
}

/** An attribute that an officer put into a pending request (MS-CSRA 3.1.4.1.6). */
export interface AttributeEdit {
  readonly kind: 'attribute'
  readonly name: string
  readonly value: string
}

/** One thing that an officer put into a pending request. */
export type OfficerEdit = ExtensionEdit | AttributeEdit

/** What a certificate is made from once officers have edited its request. */
export interface EditedRequest {
  /** The template with its content narrowed, which is what the certificate follows. */
  readonly template: CertificateTemplate
  /** The request's extensions, those that officers set in place of its own. */
  readonly extensions: readonly Extension[]
  /** What officers set of attributes, the latest of each name. */
  readonly attributes: RequestAttributes
}

type Edited = Pick<EditedRequest, 'template' | 'extensions'>
type Rule = (edited: Edited, edit: ExtensionEdit) => CertificateTemplate

/**
 * What officers may set, and what comes of it. The template stays the source of what a certificate says: an officer
 * replaces alternative names where they come from the request anyway, and else takes away from what the template grants.
 */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  [OID.id_ce_subjectAltName, setAltNames],
  [OID.id_ce_keyUsage, narrowKeyUsage],
  [OID.id_ce_extKeyUsage, narrowPurposes],
  [OID.szOID_APPLICATION_CERT_POLICIES, narrowPurposes],
  [OID.id_ce_certificatePolicies, narrowPolicies],
  [OID.smimeCapabilities, dropCapabilities]
])

/**
 * A template and a request as officers' edits leave them, a later edit of the same thing in place of an earlier one.
 * Throws `invalid_argument` for what officers may not set, and for a value that widens what the template grants;
 * `x509_structure` for names that are none.
 */
export function applyOfficerEdits(
  template: CertificateTemplate,
  request: Pick<RequestToJudge, 'extensions'>,
  edits: readonly OfficerEdit[],
  now: Date
): EditedRequest {
  const latest = new Map<string, ExtensionEdit>()
  for (const edit of edits) if (edit.kind === 'extension') latest.set(edit.oid, edit)
  let edited: Edited = { template, extensions: request.extensions }
  for (const edit of latest.values()) edited = applyExtension(edited, edit)
  const attributes = edits.filter(edit => edit.kind === 'attribute')
  return { ...edited, ...applyAttributes(edited.template, attributes, now) }
}

function applyExtension(edited: Edited, edit: ExtensionEdit): Edited {
  const rule = RULES.get(edit.oid)
  if (rule === undefined) {
    throw new AppError(
      'invalid_argument',
      `Officers set no extension ${edit.oid}; they may set ${[...RULES.keys()].join(', ')}. The template says the rest.`,
      { extension: edit.oid }
    )
  }
  const narrowed = rule(edited, edit)
  const others = edited.extensions.filter(({ oid }) => oid !== edit.oid)
  const { oid, critical, value } = edit
  return {
    template: value === undefined ? narrowed : markCritical(narrowed, edit),
    extensions: value === undefined ? others : [...others, { oid, critical, value }]
  }
}

/** Which extensions may be critical at all is for the certificate's maker to say. */
function markCritical(template: CertificateTemplate, { oid, critical }: ExtensionEdit): CertificateTemplate {
  const others = template.criticalExtensions.filter(other => other !== oid)
  return { ...template, criticalExtensions: critical ? [...others, oid] : others }
}

function setAltNames({ template }: Edited, { oid, critical, value }: ExtensionEdit): CertificateTemplate {
  if (!isSubjectFromRequest(template)) {
    throw new AppError(
      'invalid_argument',
      `The template ${template.name} takes the names from the directory. Correct them there and have the request resubmitted.`,
      { extension: oid }
    )
  }
  if (value === undefined) return template
  const names = decodeSubjectAltName(value)
  const taken = requestedAltNames(template, { extensions: [{ oid, critical, value }] })
  if (taken.length === names.length && names.length > 0) return template
  throw new AppError(
    'invalid_argument',
    `Certificates of the template ${template.name} have alternative names of other kinds than these.`,
    { names: names.length, taken: taken.length }
  )
}

function narrowKeyUsage({ template }: Edited, edit: ExtensionEdit): CertificateTemplate {
  const usages = [...decodeKeyUsage(requireValue(edit, 'the key usage'))]
  const granted = template.keyUsage.filter(usage => usages.includes(usage))
  requireNarrower(granted.length, usages.length, template, edit)
  return { ...template, keyUsage: granted }
}

function narrowPurposes({ template }: Edited, edit: ExtensionEdit): CertificateTemplate {
  const value = requireValue(edit, 'the purposes')
  const isExtendedKeyUsage = edit.oid === OID.id_ce_extKeyUsage
  const wanted = isExtendedKeyUsage ? decodeExtendedKeyUsage(value) : decodeCertificatePolicies(value)
  const granted = purposesOf(template).filter(purpose => wanted.includes(purpose))
  requireNarrower(granted.length, wanted.length, template, edit)
  return { ...template, extendedKeyUsages: granted, applicationPolicies: [] }
}

function narrowPolicies({ template }: Edited, edit: ExtensionEdit): CertificateTemplate {
  if (edit.value === undefined) return { ...template, issuancePolicies: [] }
  const wanted = decodeCertificatePolicies(edit.value)
  const granted = template.issuancePolicies.filter(policy => wanted.includes(policy))
  requireNarrower(granted.length, wanted.length, template, edit)
  return { ...template, issuancePolicies: granted }
}

function dropCapabilities({ template }: Edited, { oid, value }: ExtensionEdit): CertificateTemplate {
  if (value !== undefined) {
    throw new AppError('invalid_argument', 'S/MIME capabilities can be taken away, not set.', { extension: oid })
  }
  return {
    ...template,
    enrollmentFlags: (template.enrollmentFlags & ~ENROLLMENT_FLAG.INCLUDE_SYMMETRIC_ALGORITHMS) >>> 0
  }
}

/** Without them a certificate would be good for more, not for less. */
function requireValue({ oid, value }: ExtensionEdit, what: string): Uint8Array {
  if (value !== undefined) return value
  throw new AppError('invalid_argument', `A certificate without ${what} would be good for anything.`, {
    extension: oid
  })
}

function requireNarrower(granted: number, wanted: number, { name }: CertificateTemplate, { oid }: ExtensionEdit): void {
  if (granted > 0 && granted === wanted) return
  throw new AppError(
    'invalid_argument',
    `The extension ${oid} would say more than the template ${name} grants, or nothing. Officers take away, they do not add.`,
    { extension: oid }
  )
}
