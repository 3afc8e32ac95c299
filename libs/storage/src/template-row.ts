import type { TemplateId } from '@app/core'
import type { CertificateTemplate } from '@app/templates'

/** The actor of what the program does by itself: it writes and activates the built-in templates. */
export const INSTALLATION = 'installation'

/** One version of a template. All but the state and its activator is immutable. */
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
  /** Who added it, as the audit log names people: `DOMAIN\\account`, `local:account` or {@link INSTALLATION}. */
  readonly author: string
  /** Who made it active last; never the author, unless both are {@link INSTALLATION}. */
  readonly activatedBy: string | null
  readonly activatedAt: Date | null
}
