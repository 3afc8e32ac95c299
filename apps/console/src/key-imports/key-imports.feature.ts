import { CaStore, CertificateStore, ExchangeKeyStore, KeyImportStore, RequestStore, TemplateStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { ExchangeCertificate } from './exchange-certificate.js'
import { ImportedCertificates } from './imported-certificates.js'
import { KeyImportsController } from './key-imports.controller.js'
import { KeyImportsService } from './key-imports.service.js'

/** Keys that come in from other archives. */
export const keyImportsFeature: ConsoleFeature = {
  controllers: [KeyImportsController],
  providers: [ExchangeCertificate, ImportedCertificates, KeyImportsService],
  stores: [CaStore, CertificateStore, ExchangeKeyStore, KeyImportStore, RequestStore, TemplateStore]
}
