import { isAppError } from '@app/core'
import { OID } from '@app/oid'
import { controllersOf, standingOf, wellKnownName, type ObjectController, type Standing } from './access-rights.js'
import type { CertificateTemplate } from './certificate-template.js'
import { decodeSecurityDescriptor } from './security-descriptor.js'
import type { TemplateRule } from './template-rule.js'

/** Purposes that many certificates have, so that a signature by one of them proves no registration authority. */
const COMMON_PURPOSES: ReadonlySet<string> = new Set([
  OID.anyExtendedKeyUsage,
  OID.id_kp_clientAuth,
  OID.id_kp_serverAuth,
  OID.id_kp_emailProtection,
  OID.szOID_EFS_CRYPTO,
  OID.szOID_KP_SMARTCARD_LOGON
])

/** Who can change a template, and who can stand in for its approval. */
export const controlRules: readonly TemplateRule[] = [
  {
    rule: 'ESC4',
    severity: 'error',
    where: ['securityDescriptor'],
    remedy:
      'Leave changes of the object to administrators and export it again; or leave securityDescriptor out: it is not consulted here, where two administrators change a template.',
    check: template => {
      const controllers = controllersOfStanding(template, 'low')
      return controllers.length > 0
        ? `In AD everybody of ${describe(controllers)} could make the template say anything.`
        : undefined
    }
  },
  {
    rule: 'template-control',
    severity: 'warning',
    where: ['securityDescriptor'],
    remedy: 'Make sure that each of them is an administrator of certificate templates.',
    check: template => {
      const controllers = controllersOfStanding(template, 'unknown')
      return controllers.length > 0
        ? `In AD the template can be changed by ${describe(controllers)}, who may be administrators or not.`
        : undefined
    }
  },
  {
    rule: 'security-descriptor',
    severity: 'warning',
    where: ['securityDescriptor'],
    remedy: 'Export the entry again with its security descriptor, or leave the member out.',
    check: template => (readDescriptor(template) === 'damaged' ? 'The security descriptor cannot be read.' : undefined)
  },
  {
    rule: 'ra-policy',
    severity: 'error',
    where: ['raSignatures', 'raApplicationPolicies', 'raPolicies'],
    remedy: 'Name a policy that only the certificates of registration authorities have.',
    check: ({ raSignatures, raApplicationPolicies, raPolicies }) => {
      if (raSignatures === 0 || raPolicies.length > 0) return undefined
      return raApplicationPolicies.every(policy => COMMON_PURPOSES.has(policy))
        ? 'Signatures of registration authorities are demanded, and certificates that many have would do for them.'
        : undefined
    }
  }
]

function controllersOfStanding(template: CertificateTemplate, standing: Standing): readonly ObjectController[] {
  const descriptor = readDescriptor(template)
  if (descriptor === undefined || descriptor === 'damaged') return []
  return controllersOf(descriptor).filter(({ sid }) => standingOf(sid) === standing)
}

function readDescriptor({
  securityDescriptor: encoded
}: CertificateTemplate): ReturnType<typeof decodeSecurityDescriptor> | 'damaged' | undefined {
  if (encoded === undefined) return undefined
  try {
    return decodeSecurityDescriptor(Buffer.from(encoded, 'base64'))
  } catch (error) {
    if (isAppError(error, 'security_descriptor_invalid')) return 'damaged'
    throw error
  }
}

/** Who it is and by which rights, for people. */
export function describe(controllers: readonly ObjectController[]): string {
  return controllers.map(({ sid, rights }) => `${wellKnownName(sid) ?? sid} (${rights.join(', ')})`).join(', ')
}
