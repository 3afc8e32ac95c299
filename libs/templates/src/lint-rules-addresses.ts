import { FILE_ADDRESS, OCSP_ADDRESS } from './address.js'
import { ENROLLMENT_FLAG, isFlagSet } from './flags.js'
import type { TemplateRule } from './template-rule.js'

/** The addresses that a template has in place of its CA's. */
export const addressRules: readonly TemplateRule[] = [
  {
    rule: 'address-form',
    severity: 'error',
    where: ['addresses'],
    remedy: 'Give http or ldap addresses of CRLs and CA certificates, http addresses of OCSP responders.',
    check: ({ addresses: { crl = [], caIssuers = [], ocsp = [] } = {} }) => {
      const wrong =
        [...crl, ...caIssuers].find(address => !FILE_ADDRESS.test(address)) ??
        ocsp.find(address => !OCSP_ADDRESS.test(address))
      return wrong === undefined ? undefined : `Relying parties cannot use the address ${wrong}.`
    }
  },
  {
    rule: 'address-of-key',
    severity: 'error',
    where: ['addresses'],
    remedy: 'Put {key} into each address of a CRL and {certificate} into each of a CA certificate.',
    check: ({ addresses: { crl = [], caIssuers = [] } = {} }) => {
      const shared =
        crl.find(address => !address.includes('{key}')) ?? caIssuers.find(address => !address.includes('{certificate}'))
      return shared === undefined
        ? undefined
        : `After a renewal of the CA, certificates of the old key and of the new would name the same address ${shared}.`
    }
  },
  {
    rule: 'address-of-no-revocation',
    severity: 'warning',
    where: ['addresses', 'enrollmentFlags'],
    remedy: 'Clear the flag 0x4000, or leave the addresses out.',
    check: ({ addresses: { crl = [], ocsp = [] } = {}, enrollmentFlags }) =>
      crl.length + ocsp.length > 0 && isFlagSet(enrollmentFlags, ENROLLMENT_FLAG.NO_REVOCATION_INFO)
        ? 'The template has addresses of revocation information, and its certificates are to have none.'
        : undefined
  },
  {
    rule: 'address-none',
    severity: 'warning',
    where: ['addresses'],
    remedy: 'Leave one of the two lists out, or name an address.',
    check: ({ addresses }) =>
      addresses?.crl?.length === 0 && addresses.ocsp?.length === 0
        ? 'Nobody can find out whether certificates of this template are revoked.'
        : undefined
  }
]
