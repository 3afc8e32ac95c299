import { encodeLdif, type LdifEntry } from '@app/ldif'
import { builtInTemplates, encodeTemplateEntry, SUBJECT_NAME_FLAG, type CertificateTemplate } from '@app/templates'
import { enrollAce, securityDescriptorBytes, type AceParts } from './security-descriptors.js'

const CONFIGURATION = 'CN=Public Key Services,CN=Services,CN=Configuration,DC=contoso,DC=example'
export const DOMAIN_SID = 'S-1-5-21-1-2-3'
const ADMINISTRATORS: AceParts = { sid: `${DOMAIN_SID}-519`, mask: 0xf01ff }
const READERS: AceParts = { sid: 'S-1-5-11', mask: 0x20094 }

/** An entry with these attributes; a security descriptor that leaves it to administrators unless others are named. */
export function directoryEntry(
  dn: string,
  attributes: Readonly<Record<string, readonly (string | Uint8Array)[]>>,
  aces: readonly AceParts[] = []
): LdifEntry {
  const descriptor = securityDescriptorBytes({ aces: [ADMINISTRATORS, READERS, ...aces] })
  return {
    dn,
    attributes: Object.entries({ ...attributes, nTSecurityDescriptor: [descriptor] }).map(([name, values]) => ({
      name,
      values: values.map(value => Buffer.from(value))
    }))
  }
}

/** A template as AD has it, for which everybody of the domain may enroll. */
export function exportedTemplate(
  changes: Partial<CertificateTemplate> = {},
  aces: readonly AceParts[] = []
): LdifEntry {
  const [, signature] = builtInTemplates() as [CertificateTemplate, CertificateTemplate]
  const descriptor = securityDescriptorBytes({ aces: [ADMINISTRATORS, enrollAce(`${DOMAIN_SID}-513`), ...aces] })
  const template = { ...signature, securityDescriptor: descriptor.toString('base64'), ...changes }
  return encodeTemplateEntry(template, { base: 'DC=contoso,DC=example', settings: false })
}

/** An enrollment service, the entry of a CA. */
export function enrollmentService(
  changes: Readonly<Record<string, readonly (string | Uint8Array)[]>> = {},
  aces: readonly AceParts[] = []
): LdifEntry {
  const attributes = {
    objectClass: ['top', 'pKIEnrollmentService'],
    cn: ['Contoso CA'],
    dNSHostName: ['ca.contoso.example'],
    certificateTemplates: ['UserSignature'],
    cACertificate: [Buffer.from('certificate of the CA')],
    ...changes
  }
  return directoryEntry(`CN=Contoso CA,CN=Enrollment Services,${CONFIGURATION}`, attributes, aces)
}

/** The store of the issuers that logons trust. */
export function ntAuth(certificates: readonly Uint8Array[], aces: readonly AceParts[] = []): LdifEntry {
  const attributes = { objectClass: ['top', 'certificationAuthority'], cACertificate: certificates }
  return directoryEntry(`CN=NTAuthCertificates,${CONFIGURATION}`, attributes, aces)
}

/** An issuance policy; linked to a group if one is named. */
export function policyObject(oid: string, group?: string): LdifEntry {
  return directoryEntry(`CN=1.${oid},CN=OID,${CONFIGURATION}`, {
    objectClass: ['top', 'msPKI-Enterprise-Oid'],
    displayName: ['High assurance'],
    'msPKI-Cert-Template-OID': [oid],
    ...(group === undefined ? {} : { 'msDS-OIDToGroupLink': [group] })
  })
}

/** A user. */
export function directoryUser(
  name: string,
  attributes: Readonly<Record<string, readonly (string | Uint8Array)[]>> = {},
  aces: readonly AceParts[] = []
): LdifEntry {
  const own = { objectClass: ['top', 'user'], sAMAccountName: [name], userPrincipalName: [`${name}@contoso.example`] }
  return directoryEntry(`CN=${name},CN=Users,DC=contoso,DC=example`, { ...own, ...attributes }, aces)
}

/** An export with a fault of each kind that an export can show. */
export function faultyExport(): string {
  const everybody: AceParts = { sid: 'S-1-5-11', mask: 0xf01ff }
  return encodeLdif([
    exportedTemplate({ name: 'Any', subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT }),
    exportedTemplate({ name: 'Open' }, [everybody]),
    exportedTemplate({ name: 'Linked', issuancePolicies: ['1.3.6.1.4.1.311.21.8.9'] }),
    exportedTemplate({ name: 'Sound' }),
    enrollmentService({
      certificateTemplates: ['Any', 'Sound', 'Gone'],
      'msPKI-Enrollment-Servers': ['1\n2\n0\nhttp://ca.contoso.example/certsrv\n0']
    }),
    ntAuth([Buffer.from('certificate of the CA'), Buffer.from('another')], [everybody]),
    policyObject('1.3.6.1.4.1.311.21.8.9', 'CN=Tier 0,DC=contoso,DC=example'),
    directoryUser('victim', { altSecurityIdentities: ['X509:<S>CN=victim'] })
  ])
}
