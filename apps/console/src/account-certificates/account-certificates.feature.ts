import { PrincipalStore, RegisteredCertificateStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { AccountCertificatesController } from './account-certificates.controller.js'
import { AccountCertificatesService } from './account-certificates.service.js'

/** The certificates that accounts have registered. */
export const accountCertificatesFeature: ConsoleFeature = {
  controllers: [AccountCertificatesController],
  providers: [AccountCertificatesService],
  stores: [PrincipalStore, RegisteredCertificateStore]
}
