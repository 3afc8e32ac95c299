import type { TemplateReference } from '@app/cmc'
import type { DigestName, Extension, Name, PublicKeyInfo } from '@app/x509'

/**
 * What the policy needs to know of a request; every decoded request has it. Nothing in it is trusted: the subject and
 * the extensions count only where the template lets the requester supply names.
 */
export interface RequestToJudge {
  readonly template: TemplateReference
  readonly subject: Name | undefined
  readonly publicKey: PublicKeyInfo
  readonly extensions: readonly Extension[]
  /** How possession of the private key was proved. */
  readonly proof: { readonly digest: DigestName }
}
