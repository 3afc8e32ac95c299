import { Inject, Injectable } from '@nestjs/common'
import { AppError, toBase64, type Clock, type PrincipalId } from '@app/core'
import { isForMailEncryption, mailCertificateState } from '@app/directory'
import { CLOCK } from '@app/platform'
import { ForeignCertificateStore, PrincipalStore, PublicationStore } from '@app/storage'
import { decodeCertificate, formatName } from '@app/x509'
import type { MailCertificatesView, MailCertificateView } from './directory.schemas.js'

/** A certificate of an account, of this CA or another; of another nobody here knows whether it is revoked. */
interface AccountCertificate {
  /** DER */
  readonly certificate: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly revokedAt: Date | null
  readonly publishedAt: Date
}

/** The certificates that mail to an address is encrypted to: those published to the account that has the address. */
@Injectable()
export class MailCertificates {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly publications: PublicationStore,
    private readonly foreign: ForeignCertificateStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The current one: the newest that is good. With its history, all that ever were, the newest first. Throws `not_found`
   * when there is none, as for an address that nobody has.
   */
  async find(mail: string, withHistory: boolean): Promise<MailCertificatesView> {
    const users = await this.principals.findUsersBy('mail', mail)
    const enabled = users.filter(({ disabledAt }) => disabledAt === null)
    const rows = await Promise.all(enabled.map(({ id }) => this.listOf(id)))
    const now = this.clock.now()
    const found = rows.flat().flatMap(row => viewOf(row, mail, now))
    const all = found.toSorted((first, second) => second.notBefore.localeCompare(first.notBefore))
    const current = all.find(({ state }) => state === 'good')
    const items = withHistory ? all : current === undefined ? [] : [current]
    if (items.length === 0) {
      throw new AppError('not_found', `There is no certificate to which mail for "${mail}" can be encrypted.`)
    }
    return { mail, ...(current === undefined ? {} : { current: current.serialNumber }), items }
  }

  private async listOf(id: PrincipalId): Promise<readonly AccountCertificate[]> {
    const published = await this.publications.listOf(id)
    const imported = await this.foreign.listOf(id)
    return [...published, ...imported.map(row => ({ ...row, revokedAt: null, publishedAt: row.importedAt }))]
  }
}

function viewOf(row: AccountCertificate, mail: string, now: Date): readonly MailCertificateView[] {
  const certificate = decodeCertificate(row.certificate)
  if (!isForMailEncryption(certificate, mail)) return []
  return [
    {
      serialNumber: certificate.serialHex,
      subject: formatName(certificate.subject),
      notBefore: row.notBefore.toISOString(),
      notAfter: row.notAfter.toISOString(),
      publishedAt: row.publishedAt.toISOString(),
      state: mailCertificateState(row, row.revokedAt, now),
      ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt.toISOString() }),
      certificate: toBase64(row.certificate)
    }
  ]
}
