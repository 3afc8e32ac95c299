import { Inject, Injectable } from '@nestjs/common'
import type { Clock } from '@app/core'
import { QUEUE_RIGHT } from '@app/messaging'
import { accountNameOf, CLOCK } from '@app/platform'
import { MessageQueueStore, PrincipalStore, RegisteredCertificateStore, type Unit } from '@app/storage'
import type { SenderView } from './messaging.schemas.js'

/** What the directory says of the sender of a message. It is asked each time, so that what it says holds at once. */
@Injectable()
export class MessageSenders {
  constructor(
    private readonly registered: RegisteredCertificateStore,
    private readonly queues: MessageQueueStore,
    private readonly principals: PrincipalStore,
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

  /** Whether who is known as a sender may write; nobody is not. */
  async mayWrite(queueId: string, sid: string | undefined): Promise<boolean> {
    return sid !== undefined && this.hasRight(queueId, sid, QUEUE_RIGHT.WRITE_MESSAGE)
  }

  /** What the directory says of the sender of a message that its receiver has decrypted. */
  async check(queueId: string, sid: string, certificate: Uint8Array): Promise<SenderView> {
    const registered = await this.isRegistered(sid, certificate)
    const principal = registered ? await this.principals.findBySid(sid) : undefined
    const mayWrite = await this.mayWrite(queueId, sid)
    return { registered, mayWrite, ...(principal === undefined ? {} : { name: accountNameOf(principal) }) }
  }
}
