import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { MessageQueueStore, RegisteredCertificateStore, type Unit } from '@app/storage'

/** What the directory says of the sender of a message. It is asked each time, so that what it says holds at once. */
@Injectable()
export class MessageSenders {
  constructor(
    private readonly registered: RegisteredCertificateStore,
    private readonly queues: MessageQueueStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Whether the certificate, byte for byte, is registered for the account of the SID, and within its validity. */
  async isRegistered(sid: string, certificate: Uint8Array): Promise<boolean> {
    const row = await this.registered.findForSid(sid, Buffer.from(certificate))
    const now = this.clock.now()
    return row !== undefined && row.notBefore <= now && row.notAfter >= now
  }

  /** Whether the account of a SID has all of the rights on a queue. */
  async hasRight(queueId: string, sid: string, mask: number, unit?: Unit): Promise<boolean> {
    return ((await this.queues.findRights(queueId, sid, unit)) & mask) === mask
  }
}
