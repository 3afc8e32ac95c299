import { OID } from '@app/oid'
import type { TemplateRule } from './template-rule.js'
import { isArchivalRequired, recoveryQuorumOf } from './template-traits.js'

const ENCRYPTION_USAGES: ReadonlySet<string> = new Set(['keyEncipherment', 'dataEncipherment', 'keyAgreement'])

const SIGNATURE_PURPOSES: ReadonlySet<string> = new Set([
  OID.id_kp_clientAuth,
  OID.id_kp_serverAuth,
  OID.id_kp_codeSigning,
  OID.id_kp_OCSPSigning,
  OID.szOID_KP_SMARTCARD_LOGON,
  OID.id_pkinit_KPClientAuth
])

/** What must hold where private keys are archived. A key that only signs must exist once, with its owner. */
export const archivalRules: readonly TemplateRule[] = [
  {
    rule: 'archival-signature-key',
    severity: 'error',
    where: ['keyUsage', 'privateKeyFlags'],
    remedy: 'Use separate templates for signing and for encryption, and archive only the keys of the latter.',
    check: template => {
      if (!isArchivalRequired(template)) return undefined
      if (template.keyUsage.includes('nonRepudiation')) {
        return 'Keys that sign with non-repudiation are archived: a second holder could sign as the subject.'
      }
      const encrypts = template.keyUsage.some(usage => ENCRYPTION_USAGES.has(usage))
      return encrypts ? undefined : 'Keys that only sign are archived: there is nothing to recover with them.'
    }
  },
  {
    rule: 'archival-key-usage',
    severity: 'warning',
    where: ['keyUsage', 'privateKeyFlags'],
    remedy: 'Clear digitalSignature, or accept that a recovered key can also sign.',
    check: template =>
      isArchivalRequired(template) && template.keyUsage.includes('digitalSignature')
        ? 'The archived keys can also sign.'
        : undefined
  },
  {
    rule: 'archival-purpose',
    severity: 'warning',
    where: ['extendedKeyUsages', 'privateKeyFlags'],
    remedy: 'Move the purposes that rest on a signature to a template without archival.',
    check: template => {
      const purposes = template.extendedKeyUsages.filter(purpose => SIGNATURE_PURPOSES.has(purpose))
      return isArchivalRequired(template) && purposes.length > 0
        ? `The archived keys are for purposes that rest on a signature: ${purposes.join(', ')}.`
        : undefined
    }
  },
  {
    rule: 'archival-cipher',
    severity: 'warning',
    where: ['algorithms', 'privateKeyFlags'],
    remedy: 'Set symmetricAlgorithm to "AES" and symmetricKeyLength to 256.',
    check: template => {
      if (!isArchivalRequired(template)) return undefined
      const { symmetricAlgorithm = '3DES', symmetricKeyLength = 168 } = template.algorithms
      return symmetricAlgorithm.toUpperCase().startsWith('AES') && symmetricKeyLength >= 128
        ? undefined
        : `Clients transport their keys under ${symmetricAlgorithm} with ${symmetricKeyLength} bits.`
    }
  },
  {
    rule: 'archival-quorum',
    severity: 'warning',
    where: ['archival'],
    remedy: 'Seal to more agents than must work together, and have two or more of them agree.',
    check: ({ archival }) => {
      if (archival === undefined) return undefined
      if (recoveryQuorumOf(archival) === 1) return 'One agent recovers an archived key without asking anybody.'
      return archival.mode === 'threshold' && archival.threshold === archival.agentCount
        ? `All ${archival.agentCount} agents must open a key together: when one of them is lost, so is every key.`
        : undefined
    }
  }
]
