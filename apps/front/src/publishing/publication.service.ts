import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { LdapDirectory, ldapReasonOf } from '@app/ldap'
import { CLOCK, LOG, type Logger } from '@app/platform'
import type { JobEnd } from '@app/queue'
import { PublicationStore } from '@app/storage'

const FIRST_PAUSE = 2000
const LONGEST_PAUSE = 3_600_000
/** A job that is not run so long after its time must have been lost. */
const LOST_AFTER = 60_000

/** How long to wait after so many attempts in vain: twice as long each time, up to an hour. */
function pauseAfter(attempts: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(attempts - 1, 20))
}

/** Publishes certificates to the LDAP server of the settings: each until the server has it. */
@Injectable()
export class PublicationService {
  constructor(
    private readonly publications: PublicationStore,
    private readonly ldap: LdapDirectory,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Makes one attempt. That a certificate is published twice does nothing the second time. */
  async run(id: string): Promise<JobEnd> {
    // 1. Is it still due?
    const row = await this.publications.findDue(id)
    if (row === undefined) return 'done'
    // 2. Publish it.
    try {
      await this.ldap.addCertificate(row, row.certificate)
    } catch (error) {
      // 3. In vain: record why, and come back.
      const reason = ldapReasonOf(error)
      const pause = pauseAfter(row.attempts + 1)
      this.log.warn({ publication: id, account: row.accountName, reason }, 'A certificate could not be published.')
      await this.publications.postpone(id, new Date(this.clock.now().getTime() + pause + LOST_AFTER), reason)
      return { againAfter: pause }
    }
    // 3. Done: record that.
    await this.publications.end(id, this.clock.now())
    return 'done'
  }
}
