import { Inject, Injectable } from '@nestjs/common'
import { attempt, isAppError, type Clock } from '@app/core'
import type { AccountEntry, UserSignCert } from '@app/directory'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { ForeignCertificateStore, RegisteredCertificateStore, type Because, type PrincipalRow } from '@app/storage'
import { decodeCertificate, formatName } from '@app/x509'

/** Adds the certificates that another directory has of an account. None that is here is ever taken away. */
@Injectable()
export class CertificateImport {
  constructor(
    private readonly foreign: ForeignCertificateStore,
    private readonly registered: RegisteredCertificateStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** The values of userCertificate. Tells what could not be taken. */
  async takePublished({ id: principalId }: PrincipalRow, entry: AccountEntry, because: Because): Promise<string[]> {
    const notes: string[] = []
    for (const bytes of entry.certificates) {
      const certificate = attempt(() => decodeCertificate(bytes))
      if (certificate === undefined) {
        notes.push('A value of userCertificate is no certificate.')
        continue
      }
      const { notBefore, notAfter } = certificate
      const row = { principalId, certificate: bytes, subject: formatName(certificate.subject), notBefore, notAfter }
      await this.foreign.add(row, because, this.clock.now())
    }
    return notes
  }

  /** The entries of mSMQSignCertificates, in their order and with their identifiers. Tells what could not be taken. */
  async takeRegistered(account: PrincipalRow, entry: AccountEntry, because: Because): Promise<string[]> {
    const notes: string[] = []
    for (const one of entry.signCertificates) {
      const note = await this.register(account, one, because)
      if (note !== undefined) notes.push(note)
    }
    return notes
  }

  private async register(
    { id: principalId }: PrincipalRow,
    { identifier, certificate: bytes }: UserSignCert,
    because: Because
  ): Promise<string | undefined> {
    const certificate = attempt(() => decodeCertificate(bytes))
    if (certificate === undefined) return `Certificate ${identifier} of mSMQSignCertificates is none.`
    const row = {
      identifier,
      principalId,
      kind: 'external' as const,
      machineId: null,
      certificate: bytes,
      subject: formatName(certificate.subject),
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      registeredAt: this.clock.now()
    }
    try {
      await this.registered.register(row, { most: this.config.directory.certificatesPerUser }, because)
      return undefined
    } catch (error) {
      if (isAppError(error, 'MQ_ERROR_INTERNAL_USER_CERT_EXIST')) return undefined
      if (isAppError(error, 'MQ_ERROR_DS_IS_FULL') || isAppError(error, 'conflict')) return error.message
      throw error
    }
  }
}
