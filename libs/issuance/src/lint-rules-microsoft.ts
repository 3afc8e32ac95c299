import { isAppError } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCaVersion,
  decodeCertificateTemplateId,
  decodePreviousCaCertificateHash,
  decodeSecurityIdentifier,
  decodeSmimeCapabilities
} from '@app/x509'
import type { LintRule } from './lint-rule.js'
import type { TbsFacts } from './tbs-facts.js'

const WEAK_CIPHERS: ReadonlySet<string> = new Set([OID.rc2_cbc, OID.desCBC])

/** The extensions of Microsoft, and the S/MIME capabilities. */
export const microsoftRules: readonly LintRule[] = [
  {
    id: 'security-identifier',
    citation: 'MS-WCCE 2.2.2.7.7.4',
    severity: 'error',
    check: facts => unreadable(facts, OID.szOID_NTDS_CA_SECURITY_EXT, decodeSecurityIdentifier)
  },
  {
    id: 'security-identifier-ca',
    citation: 'MS-WCCE 2.2.2.7.7.4',
    severity: 'warning',
    check: ({ isCa, byOid }) =>
      isCa && byOid.has(OID.szOID_NTDS_CA_SECURITY_EXT) ? 'A CA is tied to an account.' : undefined
  },
  {
    id: 'template-name',
    citation: 'MS-WCCE 2.2.2.7.7.1',
    severity: 'error',
    check: ({ byOid }) => {
      const value = byOid.get(OID.szOID_ENROLL_CERTTYPE_EXTENSION)?.value
      return value === undefined || DerReader.over(value).nextTag === TAG.bmpString
        ? undefined
        : 'The name of the template is no BMPString.'
    }
  },
  {
    id: 'template-identifier',
    citation: 'MS-WCCE 2.2.2.7.7.2',
    severity: 'error',
    check: facts => unreadable(facts, OID.szOID_CERTIFICATE_TEMPLATE, decodeCertificateTemplateId)
  },
  {
    id: 'application-policies',
    citation: 'MS-WCCE 2.2.2.7.7.3',
    severity: 'error',
    check: ({ applicationPolicies, extendedKeyUsage = [] }) =>
      applicationPolicies === undefined || applicationPolicies.join() === extendedKeyUsage.join()
        ? undefined
        : 'The application policies are not the extended key usage.'
  },
  {
    id: 'ca-version',
    citation: 'wincrypt.h, szOID_CERTSRV_CA_VERSION; MS-WCCE 3.2.1.4.3.2.39',
    severity: 'error',
    check: facts => {
      const fault = unreadable(facts, OID.szOID_CERTSRV_CA_VERSION, decodeCaVersion)
      const value = facts.byOid.get(OID.szOID_CERTSRV_CA_VERSION)?.value
      if (fault !== undefined || value === undefined) return fault
      if (!facts.isCa) return 'An end entity has the version of a CA.'
      const { certificateIndex, keyIndex } = decodeCaVersion(value)
      return keyIndex > certificateIndex ? 'The CA version counts more keys than certificates.' : undefined
    }
  },
  {
    id: 'previous-certificate',
    citation: 'wincrypt.h 10.0, szOID_CERTSRV_PREVIOUS_CERT_HASH',
    severity: 'error',
    check: facts => {
      const fault = unreadable(facts, OID.szOID_CERTSRV_PREVIOUS_CERT_HASH, decodePreviousCaCertificateHash)
      if (fault !== undefined || !facts.byOid.has(OID.szOID_CERTSRV_PREVIOUS_CERT_HASH)) return fault
      return isRenewal(facts) ? undefined : 'The first certificate of a CA, or none of a CA, names a previous one.'
    }
  },
  {
    id: 'mail-capabilities',
    citation: 'RFC 8551, 2.5.2; RFC 4262, 2',
    severity: 'error',
    check: facts => unreadable(facts, OID.smimeCapabilities, decodeSmimeCapabilities)
  },
  {
    id: 'mail-capabilities-strength',
    citation: 'RFC 8551, 2.7 and 6',
    severity: 'error',
    check: facts => {
      const value = facts.byOid.get(OID.smimeCapabilities)?.value
      if (value === undefined || unreadable(facts, OID.smimeCapabilities, decodeSmimeCapabilities) !== undefined)
        return undefined
      const capabilities = decodeSmimeCapabilities(value)
      return capabilities.length === 0 || capabilities.some(({ oid }) => WEAK_CIPHERS.has(oid))
        ? 'The certificate tells senders of no cipher, or of one that is weak.'
        : undefined
    }
  }
]

/** Why the value of an extension cannot be read; undefined when it can, or when there is no such extension. */
function unreadable({ byOid }: TbsFacts, oid: string, decode: (value: Uint8Array) => unknown): string | undefined {
  const extension = byOid.get(oid)
  if (extension === undefined) return undefined
  try {
    decode(extension.value)
    return undefined
  } catch (error) {
    if (isAppError(error)) return error.message
    throw error
  }
}

function isRenewal({ isCa, byOid }: TbsFacts): boolean {
  const version = byOid.get(OID.szOID_CERTSRV_CA_VERSION)?.value
  return isCa && version !== undefined && decodeCaVersion(version).certificateIndex > 0
}
