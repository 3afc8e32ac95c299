import { Inject, Injectable } from '@nestjs/common'
import { AppError, toBase64, toHex, type Clock } from '@app/core'
import { isForMailEncryption, mailCertificateState } from '@app/directory'
import { CLOCK } from '@app/platform'
import { PrincipalStore, PublicationStore, type PublishedCertificateRow } from '@app/storage'
import { decodeCertificate, formatName } from '@app/x509'
import type { MailCertificatesView, MailCertificateView } from './directory.schemas.js'

/** The certificates that mail to an address is encrypted to: those published to the account that has the address. */
@Injectable()
export class MailCertificates {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly publications: PublicationStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * The current one: the newest that is good. With its history, all that ever were, the newest first. Throws `not_found`
   * when there is none, as for an address that nobody has.
   */
  async find(mail: string, withHistory: boolean): Promise<MailCertificatesView> {
    const users = await this.principals.findUsersBy('mail', mail)
    const enabled = users.filter(({ disabledAt }) => disabledAt === null)
    const published = await Promise.all(enabled.map(({ id }) => this.publications.listOf(id)))
    const now = this.clock.now()
    const all = published.flat().flatMap(row => viewOf(row, mail, now))
    const current = all.find(({ state }) => state === 'good')
    const items = withHistory ? all : current === undefined ? [] : [current]
    if (items.length === 0) {
      throw new AppError('not_found', `There is no certificate to which mail for "${mail}" can be encrypted.`)
    }
    return { mail, ...(current === undefined ? {} : { current: current.serialNumber }), items }
  }
}

function viewOf(row: PublishedCertificateRow, mail: string, now: Date): readonly MailCertificateView[] {
  const certificate = decodeCertificate(row.certificate)
  if (!isForMailEncryption(certificate, mail)) return []
  return [
    {
      serialNumber: toHex(row.serialNumber),
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
