import {
  certificateNames,
  type CertificateNames,
  type NameSource,
  type RequestToJudge,
  type Requester
} from '@app/policy'
import { requireSafeTemplate, type CertificateTemplate } from '@app/templates'
import type { PublicKeyInfo } from '@app/x509'
import { issuerExtensions, validityUnder, withAddressesOf, type Issuer } from './issuer.js'
import { prepare, type CertificateContent, type PreparedCertificate } from './prepared-certificate.js'
import { revocationSourcesOf, templateExtensions } from './template-extensions.js'

/** An approved request and what its certificate is made from. */
export interface CertificateOrder {
  readonly template: CertificateTemplate
  readonly requester: Requester
  /** Its names count only where the template lets the requester supply them; nothing else of it is looked at. */
  readonly request: Pick<RequestToJudge, 'subject' | 'extensions' | 'publicKey'>
  /** The certificate that the request renews, as it was judged. Its names count where the template says so. */
  readonly renewed?: NameSource
  readonly issuer: Issuer
  /** Content octets of the INTEGER, see `newSerialNumber`. */
  readonly serialNumber: Uint8Array
  readonly now: Date
}

/**
 * The certificate for an approved request. The template is the only source of what it says; of the request it has the
 * key, and names where the template takes them from there. Valid from ten minutes ago, for as long as the template says
 * and the CA's certificate lasts.
 *
 * Throws `template_unsafe` however the template came to be used, what `certificateNames` throws,
 * `ca_certificate_invalid` and `lint_failed`.
 */
export function prepareCertificate(order: CertificateOrder): PreparedCertificate {
  return prepareFromTemplate(contentOf(order))
}

/** What {@link prepareCertificate} has the template make a certificate of. Throws what `certificateNames` throws. */
export function contentOf(order: CertificateOrder): TemplateContent {
  const { template, requester, request, renewed, issuer, serialNumber, now } = order
  requireSafeTemplate(template)
  const names = certificateNames(template, requester, request, renewed)
  return { template, names, publicKey: request.publicKey, issuer, serialNumber, now }
}

/** A certificate after a template with names that its maker vouches for. */
export interface TemplateContent {
  readonly template: CertificateTemplate
  readonly names: CertificateNames
  readonly publicKey: PublicKeyInfo
  readonly issuer: Issuer
  readonly serialNumber: Uint8Array
  readonly now: Date
  /** In place of the template's. */
  readonly issuancePolicies?: readonly string[]
  /** In place of the template's. */
  readonly validitySeconds?: number
}

/** The certificate that a template makes of these names and this key. Throws as {@link prepareCertificate}. */
export function prepareFromTemplate(content: TemplateContent): PreparedCertificate {
  return prepare(certificateContentOf(content))
}

/** What the certificate of {@link prepareFromTemplate} says. Throws `ca_certificate_invalid`. */
export function certificateContentOf(content: TemplateContent): CertificateContent {
  const { template, names, publicKey, issuer, serialNumber, now } = content
  const validity = validityUnder(issuer, now, content.validitySeconds ?? template.validitySeconds)
  return {
    ...validity,
    serialNumber,
    scheme: issuer.scheme,
    issuer: issuer.certificate.subject.raw,
    issuerKey: issuer.certificate.publicKey,
    issuerCertificate: issuer.certificate,
    subject: names.subject,
    publicKey,
    extensions: [
      ...templateExtensions({
        template,
        names,
        publicKey,
        issuancePolicies: content.issuancePolicies ?? template.issuancePolicies
      }),
      ...issuerExtensions(withAddressesOf(template, issuer), revocationSourcesOf(template))
    ]
  }
}
