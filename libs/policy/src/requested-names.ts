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
  type NameAttributeInput
} from '@app/x509'
import { encodePrincipalName, isDnsName, isMailAddress, isPrincipalName } from './name-forms.js'
import type { RequestToJudge } from './request-to-judge.js'

/**
 * The subject that a request may have where its template lets the requester supply it: attributes of the known types,
 * in the order of the request and re-encoded. A mail address is not taken: its place is the alternative name
 * (RFC 5280, 4.1.2.6). What is of another type is left out.
 */
export function requestedSubject(request: Pick<RequestToJudge, 'subject'>): NameAttributeInput[][] {
  const rdns = request.subject?.rdns ?? []
  return rdns
    .map(rdn =>
      rdn
        .filter(({ type, tag }) => findNameAttributeType(type) !== undefined && isStringTag(tag))
        .filter(({ type, value }) => type !== OID.id_emailAddress && value !== '')
        .map(({ type, value }) => ({ type, value }))
    )
    .filter(rdn => rdn.length > 0)
}

/**
 * The alternative names that a request may have where its template lets the requester supply them: DNS names, IP
 * addresses, mail addresses and URIs, and a UPN where the template's certificates log on. Names of other forms are left
 * out. Throws `x509_structure` for a name that is none.
 */
export function requestedAltNames(
  template: CertificateTemplate,
  request: Pick<RequestToJudge, 'extensions'>
): GeneralName[] {
  const extension = findExtension(request, OID.id_ce_subjectAltName)
  if (extension === undefined) return []
  return decodeSubjectAltName(extension.value).flatMap(name => {
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
      const upn = isForAuthentication(template) ? findUserPrincipalName(name) : undefined
      if (upn === undefined) return undefined
      return isPrincipalName(upn) ? encodePrincipalName(upn) : refuse('user principal name', upn)
    }
    default:
      return undefined
  }
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
