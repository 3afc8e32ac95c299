import { AppError, equalBytes, isAppError, toBase64, toHex } from '@app/core'
import type { JsonValue, RequestAttributes } from '@app/cmc'
import type { Decision, NameSource, Requester, RequestToJudge } from '@app/policy'
import {
  KEY_RECOVERY_AGENT_TEMPLATE,
  lintTemplate,
  requireSafeTemplate,
  type CertificateTemplate
} from '@app/templates'
import { formatName, type PublicKeyInfo } from '@app/x509'
import { explainIssuerExtension, explainValidity, type Issuer } from './issuer.js'
import { certificateContentOf, contentOf, type TemplateContent } from './prepare-certificate.js'
import { draft, type CertificateDraft } from './prepared-certificate.js'
import { isValidityShortened, previewAttributes, type RequestedAttributes } from './preview-attributes.js'
import { previewExtensions } from './preview-extensions.js'
import { previewAltNames, previewSubject } from './preview-names.js'
import type { CertificatePreview, PreviewField, PreviewFieldName } from './preview-schema.js'
import { recoveryAgentContent } from './recovery-agent-certificate.js'
import { decodeTbsFacts, type TbsFacts } from './tbs-facts.js'
import { explainTemplateExtension, revocationSourcesOf } from './template-extensions.js'

/** A request as a preview shows it: everything that it says. A decoded request has it. */
export interface PreviewRequest
  extends RequestedAttributes, Pick<RequestToJudge, 'subject' | 'extensions' | 'publicKey'> {}

/** A pending request and what its certificate would be made from. */
export interface PreviewInput {
  /** The version that the request was judged by, as officers' edits leave it. */
  readonly template: CertificateTemplate
  /** Absent for what the installation asks for itself, which is a recovery agent's certificate. */
  readonly requester?: Requester
  /** As the requester sent it. */
  readonly request: PreviewRequest
  /** What officers have put in place of parts of it; the certificate is made from these. */
  readonly edited?: Partial<Pick<PreviewRequest, 'subject' | 'extensions'>> & {
    readonly requestAttributes?: RequestAttributes
  }
  /** The certificate that the request renews, as it was judged. */
  readonly renewed?: NameSource
  readonly issuer: Issuer
  readonly now: Date
  /** What the policy says now of the request, an officer's approval assumed. A denial is the refusal that is shown. */
  readonly decision?: Decision
}

/** Stands for the serial number, which is drawn when the certificate is signed; of the same length. */
const SERIAL_NUMBER = new Uint8Array(19).fill(0x40)

/** How far the way to a certificate leads. */
interface Attempt {
  readonly content?: TemplateContent
  readonly draft?: CertificateDraft
  readonly refusal?: AppError
}

/**
 * What a request asks for beside the certificate that it would get now, made as `prepareCertificate` makes it, up to
 * the bytes that would be signed; only the serial number and the time will be others. Each row tells why it is so in the
 * words of the rule that decided it. Where there would be no certificate, the reason stands in place of the bytes.
 * Throws for no request that could be decoded.
 */
export function previewCertificate(input: PreviewInput): CertificatePreview {
  const { template, decision } = input
  const attempt = attemptOf(input)
  const denial =
    decision?.verdict === 'deny' ? { code: decision.code, message: decision.message } : refusalOf(attempt.refusal)
  return {
    verdict: denial === undefined ? 'issue' : 'refuse',
    ...(denial === undefined ? {} : { refusal: denial }),
    ...(denial === undefined && attempt.draft !== undefined ? { tbsCertificate: toBase64(attempt.draft.tbs) } : {}),
    fields: fieldsOf(input, attempt),
    templateFindings: lintTemplate(template),
    certificateFindings: [...(attempt.draft?.findings ?? [])]
  }
}

function refusalOf(error: AppError | undefined): CertificatePreview['refusal'] {
  return error === undefined ? undefined : { code: error.code, message: error.message }
}

function attemptOf(input: PreviewInput): Attempt {
  let content: TemplateContent | undefined
  try {
    requireSafeTemplate(input.template)
    content = templateContentOf(input)
    const made = draft(certificateContentOf(content))
    return { content, draft: made, ...(made.refusal === undefined ? {} : { refusal: made.refusal }) }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { ...(content === undefined ? {} : { content }), refusal: error }
  }
}

function templateContentOf(input: PreviewInput): TemplateContent {
  const { template, requester, request, edited, issuer, now } = input
  const common = { issuer, serialNumber: SERIAL_NUMBER, now }
  const { publicKey } = request
  const subject = edited?.subject ?? request.subject
  if (requester !== undefined) {
    const extensions = edited?.extensions ?? request.extensions
    const renewed = input.renewed === undefined ? {} : { renewed: input.renewed }
    return contentOf({ ...common, ...renewed, template, requester, request: { subject, extensions, publicKey } })
  }
  if (template.name !== KEY_RECOVERY_AGENT_TEMPLATE.name || subject === undefined) {
    throw new AppError('template_denied', `The installation may not enroll for ${template.name}.`)
  }
  return recoveryAgentContent({ ...common, publicKey, subject: subject.raw })
}

function fieldsOf(input: PreviewInput, { content, draft: made }: Attempt): PreviewField[] {
  const { template, request, edited } = input
  const facts = made === undefined ? undefined : decodeTbsFacts(made.tbs)
  const subjects = { submitted: request.subject, edited: edited?.subject ?? request.subject, issued: facts?.subject }
  const extensions = {
    submitted: request.extensions,
    edited: edited?.extensions ?? request.extensions,
    issued: facts?.extensions
  }
  const rules = { template, isRenewal: input.renewed !== undefined }
  const explain = (oid: string): string | undefined => explainExtension(oid, input, content)
  const rows = [
    ...previewSubject(rules, subjects),
    ...previewAltNames(rules, extensions),
    keyRow(request.publicKey, facts),
    ...(facts === undefined ? [] : validityRows(input, facts)),
    ...previewExtensions(extensions, explain),
    ...(facts === undefined ? [] : issuerRows(facts)),
    ...previewAttributes(request, edited?.requestAttributes)
  ]
  // Without a certificate, what its rules say of single fields is beside the point.
  return facts === undefined ? rows.map(row => ({ ...row, reason: 'There would be no certificate.' })) : rows
}

function explainExtension(oid: string, input: PreviewInput, content: TemplateContent | undefined): string | undefined {
  if (content === undefined) return undefined
  const isRenewal = input.renewed !== undefined
  const { template, names, publicKey, issuer, issuancePolicies = template.issuancePolicies } = content
  return (
    explainTemplateExtension(oid, { template, names, publicKey, issuancePolicies, isRenewal }) ??
    explainIssuerExtension(oid, issuer, revocationSourcesOf(input.template))
  )
}

function keyRow(publicKey: PublicKeyInfo, facts: TbsFacts | undefined): PreviewField {
  const reason = 'The certificate is for the key whose possession the request proves.'
  const row = { field: 'publicKey', name: 'publicKey', requested: describeKey(publicKey), reason } as const
  if (facts === undefined) return { ...row, change: 'dropped' }
  const change = equalBytes(publicKey.raw, facts.publicKey.raw) ? 'same' : 'changed'
  return { ...row, issued: describeKey(facts.publicKey), change }
}

function describeKey({ algorithm, bits, curve, keyId }: PublicKeyInfo): JsonValue {
  return { algorithm, bits, ...(curve === undefined ? {} : { curve }), keyId: toHex(keyId) }
}

function validityRows(input: PreviewInput, facts: TbsFacts): PreviewField[] {
  const { template, issuer, now, request, edited } = input
  const isShortened = isValidityShortened(request, edited?.requestAttributes)
  const reasons = explainValidity(issuer, now, template.validitySeconds, isShortened)
  return [
    addedRow('validity', 'notBefore', facts.notBefore.date.toISOString(), reasons.notBefore),
    addedRow('validity', 'notAfter', facts.notAfter.date.toISOString(), reasons.notAfter)
  ]
}

function issuerRows({ issuer, signatureAlgorithm, serialNumber }: TbsFacts): PreviewField[] {
  const drawn = 'It is drawn at random when the certificate is signed; this one stands for it.'
  return [
    addedRow('issuer', 'issuer', formatName(issuer), "It is the subject of the CA's certificate."),
    addedRow('signatureAlgorithm', 'signatureAlgorithm', signatureAlgorithm.oid, "It is the CA key's."),
    addedRow('serialNumber', 'serialNumber', toHex(serialNumber), drawn)
  ]
}

function addedRow(field: PreviewFieldName, name: string, issued: JsonValue, reason: string): PreviewField {
  return { field, name, issued, change: 'added', reason }
}
