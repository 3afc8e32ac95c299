import { formatName, type Certificate } from '@app/x509'
import type { InspectedCertificate } from './inspection.js'

/** A certificate in short. */
export function describeCertificate(certificate: Certificate): InspectedCertificate {
  return {
    subject: formatName(certificate.subject),
    issuer: formatName(certificate.issuer),
    serialNumber: certificate.serialHex,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString()
  }
}
