import {
  DirectoryExportStore,
  DirectoryStore,
  GroupStore,
  ForeignCertificateStore,
  PrincipalStore,
  RegisteredCertificateStore
} from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { AccountImport } from './account-import.js'
import { CertificateImport } from './certificate-import.js'
import { DirectoryLdifController } from './directory-ldif.controller.js'
import { DirectoryLdifService } from './directory-ldif.service.js'
import { MembershipImport } from './membership-import.js'

/** The directory as LDIF. Stands before the feature of the directory, whose routes take any id. */
export const directoryImportFeature: ConsoleFeature = {
  controllers: [DirectoryLdifController],
  providers: [AccountImport, CertificateImport, DirectoryLdifService, MembershipImport],
  stores: [
    DirectoryExportStore,
    DirectoryStore,
    GroupStore,
    ForeignCertificateStore,
    PrincipalStore,
    RegisteredCertificateStore
  ]
}
