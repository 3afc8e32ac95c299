import { CaStore, CertificateSearch, CertificateStore, CrlStore, PrincipalStore, RevocationStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { CertificateContents } from './certificate-contents.js'
import { CertificatesController } from './certificates.controller.js'
import { CertificatesService } from './certificates.service.js'
import { CrlsController } from './crls.controller.js'
import { RevocationsService } from './revocations.service.js'

/** Issued certificates, their revocation, and CRLs. */
export const certificatesFeature: ConsoleFeature = {
  controllers: [CertificatesController, CrlsController],
  providers: [CertificateContents, CertificatesService, RevocationsService],
  stores: [CaStore, CertificateSearch, CertificateStore, CrlStore, PrincipalStore, RevocationStore]
}
