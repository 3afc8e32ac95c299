import { AppError } from '@app/core'
import { isStringTag } from '@app/der'
import { OID } from '@app/oid'
import { isForAuthentication, type CertificateTemplate } from '@app/templates'
import {
  decodeSecurityIdentifier,
  decodeSubjectAltName,
  findExtension,
  findNameAttributeType,
  findUserPrincipalName,
  type GeneralName,
  type NameAttribute,
  type NameAttributeInput
} from '@app/x509'
import { encodePrincipalName, findDeception, isDnsName, isMailAddress, isPrincipalName } from './name-forms.js'
import type { RequestToJudge } from './request-to-judge.js'

/** More names than this are those of several services, and nobody who approves them reads them. */
const MAX_ALT_NAMES = 100

/**
 * The subject that a request may have where its template lets the requester supply it: attributes of the known types,
 * in the order of the request and re-encoded. A mail address is not taken: its place is the alternative name
 * (RFC 5280, 4.1.2.6). What is of another type is left out. Throws `name_deceptive`.
 */
export function requestedSubject(request: Pick<RequestToJudge, 'subject'>): NameAttributeInput[][] {
  const rdns = request.subject?.rdns ?? []
  return rdns
    .map(rdn =>
      rdn
        .filter(attribute => findSubjectObjection(attribute) === undefined)
        .map(({ type, value }) => ({ type, value: requireHonest(value) }))
    )
    .filter(rdn => rdn.length > 0)
}

/** Why an attribute of a requested subject is left out where requests supply the subject; undefined when it is taken. */
export function findSubjectObjection({ type, tag, value }: NameAttribute): string | undefined {
  if (findNameAttributeType(type) === undefined) return 'Name attributes of this type are not taken from requests.'
  if (!isStringTag(tag)) return 'The value is no character string.'
  if (type === OID.id_emailAddress) {
    return 'A mail address is no part of a subject; its place is the alternative name (RFC 5280, 4.1.2.6).'
  }
  return value === '' ? 'The value is empty.' : undefined
}

/**
 * The alternative names that a request may have where its template lets the requester supply them: DNS names, IP
 * addresses, mail addresses and URIs, and a UPN where the template's certificates log on. Names of other forms are left
 * out. Throws `x509_structure` for a name that is none, `name_deceptive`, and `names_too_many`.
 */
export function requestedAltNames(
  template: CertificateTemplate,
  request: Pick<RequestToJudge, 'extensions'>
): GeneralName[] {
  const extension = findExtension(request, OID.id_ce_subjectAltName)
  if (extension === undefined) return []
  const asked = decodeSubjectAltName(extension.value)
  if (asked.length > MAX_ALT_NAMES) {
    throw new AppError(
      'names_too_many',
      `The request has ${asked.length} alternative names; at most ${MAX_ALT_NAMES} are taken. Make several requests.`,
      { names: asked.length, limit: MAX_ALT_NAMES }
    )
  }
  return asked.flatMap(name => {
    const taken = takenName(template, name)
    return taken === undefined ? [] : [taken]
  })
}

function takenName(template: CertificateTemplate, name: GeneralName): GeneralName | undefined {
  switch (name.kind) {
    case 'iPAddress':
      return name
    case 'dNSName':
      return isDnsName(name.value.replace(/^\*\.(?=[^.]+\.)/, '')) ? name : refuse('DNS name', name.value)
    case 'rfc822Name':
      return isMailAddress(name.value) ? name : refuse('mail address', name.value)
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i.test(name.value) ? name : refuse('URI', name.value)
    case 'otherName': {
      const upn = findAltNameObjection(template, name) === undefined ? findUserPrincipalName(name) : undefined
      if (upn === undefined) return undefined
      return isPrincipalName(upn) ? encodePrincipalName(requireHonest(upn)) : refuse('user principal name', upn)
    }
    default:
      return undefined
  }
}

/** Why a requested alternative name is left out where requests supply them; undefined when it is taken. */
export function findAltNameObjection(template: CertificateTemplate, name: GeneralName): string | undefined {
  switch (name.kind) {
    case 'iPAddress':
    case 'dNSName':
    case 'rfc822Name':
    case 'uri':
      return undefined
    case 'otherName':
      if (name.oid !== OID.szOID_NT_PRINCIPAL_NAME) return 'Alternative names of this form are not taken from requests.'
      return isForAuthentication(template)
        ? undefined
        : 'Certificates of the template do not log on, so a user principal name has no place in them.'
    default:
      return 'Alternative names of this form are not taken from requests.'
  }
}

function requireHonest(value: string): string {
  const deception = findDeception(value)
  if (deception === undefined) return value
  const shown = JSON.stringify(value.slice(0, 100))
  throw new AppError('name_deceptive', `The request has the name ${shown}, which ${deception}.`, { deception })
}

function refuse(what: string, value: string): never {
  const shown = JSON.stringify(value.slice(0, 100))
  throw new AppError('x509_structure', `The request has ${shown} as an alternative name, which is no ${what}.`, {
    what
  })
}

/**
 * The security identifier that a request may have where its template lets the requester supply the subject and its
 * certificates log on (MS-WCCE 2.2.2.7.7.4). Throws `x509_structure`.
 */
export function requestedSecurityIdentifier(
  template: CertificateTemplate,
  request: Pick<RequestToJudge, 'extensions'>
): string | undefined {
  const extension = findExtension(request, OID.szOID_NTDS_CA_SECURITY_EXT)
  if (extension === undefined || !isForAuthentication(template)) return undefined
  return decodeSecurityIdentifier(extension.value)
}
