import { OID } from '@app/oid'
import { KEY_USAGES_OF_ALGORITHM } from '@app/templates'
import type { KeyUsage } from '@app/x509'
import type { LintRule } from './lint-rule.js'

const SIGNS: readonly KeyUsage[] = ['digitalSignature', 'nonRepudiation']
const CONVEYS_KEYS: readonly KeyUsage[] = ['keyEncipherment', 'keyAgreement']
const ENCRYPTS: readonly KeyUsage[] = [...CONVEYS_KEYS, 'dataEncipherment']

/** Key usages of which a purpose needs at least one (RFC 5280, 4.2.1.12). */
const NEEDED_FOR: ReadonlyMap<string, readonly KeyUsage[]> = new Map([
  [OID.id_kp_serverAuth, ['digitalSignature', ...CONVEYS_KEYS]],
  [OID.id_kp_clientAuth, ['digitalSignature', 'keyAgreement']],
  [OID.id_kp_codeSigning, ['digitalSignature']],
  [OID.id_kp_emailProtection, [...SIGNS, ...CONVEYS_KEYS]],
  [OID.id_kp_OCSPSigning, SIGNS],
  [OID.szOID_KP_CA_EXCHANGE, ['keyEncipherment']],
  [OID.szOID_KP_KEY_RECOVERY_AGENT, CONVEYS_KEYS]
])

/** What the certificate's key is for. */
export const usageRules: readonly LintRule[] = [
  {
    id: 'key-usage',
    citation: 'RFC 5280, 4.2.1.3',
    severity: 'error',
    check: ({ keyUsage }) => (keyUsage === undefined ? 'There is no key usage.' : undefined)
  },
  {
    id: 'key-usage-critical',
    citation: 'RFC 5280, 4.2.1.3',
    severity: 'warning',
    check: ({ byOid }) =>
      byOid.get(OID.id_ce_keyUsage)?.critical === false ? 'The key usage is not critical.' : undefined
  },
  {
    id: 'key-usage-ca',
    citation: 'RFC 5280, 4.2.1.3 and 4.2.1.9',
    severity: 'error',
    check: ({ isCa, keyUsage }) => {
      if (keyUsage?.has('keyCertSign') === isCa || keyUsage === undefined) return undefined
      return isCa ? 'A CA may not sign certificates.' : 'An end entity may sign certificates.'
    }
  },
  {
    id: 'key-usage-crl',
    citation: 'RFC 5280, 4.2.1.3',
    severity: 'error',
    check: ({ isCa, keyUsage }) =>
      keyUsage?.has('cRLSign') === true && !isCa ? 'An end entity may sign CRLs.' : undefined
  },
  {
    id: 'key-usage-ca-crl',
    citation: 'RFC 5280, 4.2.1.3',
    severity: 'warning',
    check: ({ isCa, keyUsage }) =>
      isCa && keyUsage?.has('cRLSign') === false ? 'A CA may not sign its own CRL.' : undefined
  },
  {
    id: 'key-usage-ca-encrypts',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.2, e',
    severity: 'error',
    check: ({ isCa, keyUsage }) =>
      isCa && ENCRYPTS.some(usage => keyUsage?.has(usage) === true)
        ? 'The key of a CA is for keys or data of others too.'
        : undefined
  },
  {
    id: 'key-usage-mail',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.3, e',
    severity: 'warning',
    check: ({ isCa, keyUsage, extendedKeyUsage = [] }) =>
      !isCa && extendedKeyUsage.includes(OID.id_kp_emailProtection) && keyUsage?.has('dataEncipherment') === true
        ? 'A certificate for mail encrypts data directly, which mail clients never do.'
        : undefined
  },
  {
    id: 'key-usage-algorithm',
    citation: 'RFC 3279, 2.3.1; RFC 5480, 3; RFC 8410, 5',
    severity: 'error',
    check: ({ keyUsage = new Set(), publicKey: { algorithm } }) => {
      const unable = [...keyUsage].filter(usage => !KEY_USAGES_OF_ALGORITHM[algorithm].includes(usage))
      return unable.length > 0 ? `A key of the kind ${algorithm} cannot do ${unable.join(', ')}.` : undefined
    }
  },
  {
    id: 'key-usage-agreement',
    citation: 'RFC 5280, 4.2.1.3',
    severity: 'error',
    check: ({ keyUsage = new Set() }) => {
      const isLimited = keyUsage.has('encipherOnly') || keyUsage.has('decipherOnly')
      return isLimited && !keyUsage.has('keyAgreement')
        ? 'encipherOnly and decipherOnly mean nothing without keyAgreement.'
        : undefined
    }
  },
  {
    id: 'basic-constraints-critical',
    citation: 'RFC 5280, 4.2.1.9',
    severity: 'error',
    check: ({ isCa, byOid }) =>
      isCa && byOid.get(OID.id_ce_basicConstraints)?.critical === false
        ? 'The basic constraints of a CA are not critical.'
        : undefined
  },
  {
    id: 'extended-key-usage',
    citation: 'CA/Browser Forum Baseline Requirements, 7.1.2.7.10',
    severity: 'error',
    check: ({ isCa, extendedKeyUsage }) => {
      if (isCa) return undefined
      if (extendedKeyUsage === undefined) return 'An end entity without extended key usage is good for any purpose.'
      return extendedKeyUsage.includes(OID.anyExtendedKeyUsage) ? 'An end entity is good for any purpose.' : undefined
    }
  },
  {
    id: 'extended-key-usage-key',
    citation: 'RFC 5280, 4.2.1.12',
    severity: 'error',
    check: ({ isCa, extendedKeyUsage = [], keyUsage = new Set() }) => {
      // In a CA certificate the purposes limit those of the certificates below it.
      if (isCa) return undefined
      const unfit = extendedKeyUsage.filter(purpose => {
        const needed = NEEDED_FOR.get(purpose)
        return needed !== undefined && !needed.some(usage => keyUsage.has(usage))
      })
      return unfit.length > 0 ? `The key usage does not permit the purpose ${unfit.join(', ')}.` : undefined
    }
  }
]
