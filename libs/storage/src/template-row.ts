import type { TemplateId } from '@app/core'
import type { CertificateTemplate } from '@app/templates'

/** One version of a template. All but the state is immutable. */
export interface TemplateRow {
  readonly id: TemplateId
  readonly name: string
  readonly oid: string
  readonly major: number
  readonly minor: number
  readonly schemaVersion: number
  /** Whether certificates from it need an archived key: bit 0x1 of the definition's private-key flags. */
  readonly archival: boolean
  readonly definition: CertificateTemplate
  /** At most one version of a name is active. */
  readonly state: 'draft' | 'active' | 'retired'
  readonly createdAt: Date
}
