import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { isAppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import { Wakeups } from '@app/queue'
import {
  isHintOf,
  keyHashOf,
  propertyOf,
  readClientCertificate,
  refused,
  retryAfterSeconds,
  signatureHashOf,
  smsidOf,
  type ApprovalState,
  type RegistrationResponse
} from '@app/registration'
import { RegistrationStore, type NewRegistrationMessage, type RegistrationRow, type SiteRow } from '@app/storage'
import { MessageChecks, type CheckedMessage } from './message-checks.js'
import { RegistrationLoad } from './registration-load.js'
import type { ReceivedMessage } from './transport.js'

/** What a message is answered with. */
export interface RegistrationAnswer extends RegistrationResponse {
  /** Seconds; only while it is pending or could not be processed. */
  readonly retryAfter?: number
  /** Why it was refused, for people. */
  readonly reason?: string
}

/** More than this waits nowhere: whoever comes then sends again later. */
const maxQueued = 100_000
/** How often another identifier is tried when somebody else was faster. */
const attempts = 5

/** The protocol of registration: takes messages, has them decided, and tells how things stand. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly checks: MessageChecks,
    private readonly registrations: RegistrationStore,
    private readonly load: RegistrationLoad,
    private readonly wakeups: Wakeups,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Answers a message of the protocol with its status: pending, registered, refused, or to be sent again when the
   * database does not answer or too many wait. Throws `registration_schema_invalid` only.
   */
  async receive(received: ReceivedMessage): Promise<RegistrationAnswer> {
    const { request } = received.message
    const type = request.type === 'Registration' ? 'Registration' : 'Confirmation'
    const answer = { type, timeStamp: this.clock.now() } as const
    try {
      return { ...answer, ...(await (type === 'Registration' ? this.register(received) : this.confirm(received))) }
    } catch (error) {
      if (isAppError(error, 'registration_refused')) return { ...answer, status: 3, reason: error.message }
      if (isAppError(error, 'unavailable')) return { ...answer, status: 2, retryAfter: retryAfterSeconds(0) }
      throw error
    }
  }

  private async register(received: ReceivedMessage): Promise<Omit<RegistrationAnswer, 'type' | 'timeStamp'>> {
    // 1. Everything that the message and its connection show, in the order of the protocol.
    const checked = await this.checks.check(received)
    const waiting = await this.load.waiting()
    if (waiting >= maxQueued) return { status: 2, retryAfter: checked.site.waitMaximumSeconds }
    // failpoint: register.checked
    // 2. Which client it is, and 3. the message, to be decided by whoever may.
    for (let attempt = 1; ; attempt++) {
      const known = await this.findClient(checked, received)
      const smsid = known?.smsid ?? (await this.freeSmsid(checked.message.request.smsid, attempt))
      const client = known === undefined ? newClient(smsid, checked, received, this.clock.now()) : undefined
      const because = { actor: `client:${smsid}` }
      const outcome = await this.registrations.receive(
        client,
        newMessageOf(smsid, checked, received, this.clock.now()),
        because
      )
      if (outcome === 'replayed') throw refused('The message was taken before.')
      if (outcome === 'taken' && attempt < attempts) continue
      if (outcome === 'taken') return { status: 2, retryAfter: checked.site.waitMinimumSeconds }
      // failpoint: register.recorded
      this.wakeups.nudge('registrations')
      return { status: 1, smsid, retryAfter: waitOf(checked.site, waiting + 1) }
    }
  }

  /** The client that a key or a hint is of; undefined for one that is new. */
  private async findClient(
    { message: { request, proxySmsid }, client }: CheckedMessage,
    { transport }: ReceivedMessage
  ): Promise<RegistrationRow | undefined> {
    const keyHash = keyHashOf(client)
    // A proxy may lend its key to all of its clients; they differ by their identifiers.
    if (proxySmsid !== undefined) {
      const row = request.smsid === '' ? undefined : await this.registrations.find(request.smsid)
      const isIts = row?.proxySmsid === proxySmsid && row.status !== 'rejected' && keyHash.equals(row.keyHash)
      return isIts ? row : undefined
    }
    const own = (await this.registrations.listByKey(keyHash)).find(({ status }) => status !== 'rejected')
    if (own !== undefined) return own
    if (transport.mode !== 'native' || request.registrationHint === undefined || request.smsid === '') return undefined
    const named = await this.registrations.find(request.smsid)
    if (named?.status !== 'registered' || named.blockedAt !== null) return undefined
    const registered = readClientCertificate(named.signingCertificate, 'The registered certificate')
    return isHintOf(request, registered) ? named : undefined
  }

  /** The identifier that was asked for when nobody has it, else another. */
  private async freeSmsid(wanted: string, attempt: number): Promise<string> {
    const isFree = wanted !== '' && attempt === 1 && (await this.registrations.find(wanted)) === undefined
    return isFree ? wanted : smsidOf(randomUUID())
  }

  private async confirm(received: ReceivedMessage): Promise<Omit<RegistrationAnswer, 'type' | 'timeStamp'>> {
    const { request } = received.message
    const row = await this.registrations.find(request.smsid)
    const checked = await this.checks.check(received)
    // Nothing is known of it any more, or never was: the registration is to be sent again.
    if (row === undefined) return { status: 2, retryAfter: checked.site.waitMinimumSeconds }
    requireSameKey(row, checked)
    const message = newMessageOf(row.smsid, checked, received, this.clock.now())
    if (!(await this.registrations.confirm(message))) throw refused('The message was taken before.')
    return this.standingOf(row, checked)
  }

  private async standingOf(
    row: RegistrationRow,
    { site, client }: CheckedMessage
  ): Promise<Omit<RegistrationAnswer, 'type' | 'timeStamp'>> {
    if (row.status === 'pending') {
      return { status: 1, smsid: row.smsid, retryAfter: waitOf(site, await this.load.waiting()) }
    }
    if (row.status === 'registered') return { status: 0, smsid: row.smsid, approval: approvalOfRow(row) }
    const into = row.mergedInto === null ? undefined : await this.registrations.find(row.mergedInto)
    if (into?.status === 'registered' && into.blockedAt === null && keyHashOf(client).equals(into.keyHash)) {
      return { status: 0, smsid: into.smsid, approval: approvalOfRow(into) }
    }
    throw refused(`The registration was refused: ${row.refusal ?? 'no reason is known'}.`)
  }
}

/** What the site thinks of a client: a block counts before everything. */
export function approvalOfRow({ blockedAt, approval }: RegistrationRow): ApprovalState {
  return blockedAt === null ? approval : 'blocked'
}

/**
 * Demands that a message is signed with the key that its client is registered with, by the client or by the proxy that
 * registered it. Throws `registration_refused`.
 */
export function requireSameKey(row: RegistrationRow, { client, message }: CheckedMessage): void {
  const isSameProxy = (message.proxySmsid ?? null) === row.proxySmsid
  if (isSameProxy && keyHashOf(client).equals(row.keyHash)) return
  throw refused('The message is not signed with the key that this client is registered with.')
}

function waitOf(site: SiteRow, queued: number): number {
  return retryAfterSeconds(queued, { minimum: site.waitMinimumSeconds, maximum: site.waitMaximumSeconds })
}

function newClient(
  smsid: string,
  { message: { request, proxySmsid }, client }: CheckedMessage,
  { transport }: ReceivedMessage,
  now: Date
): Parameters<RegistrationStore['receive']>[0] {
  return {
    smsid,
    mode: transport.mode,
    keyHash: keyHashOf(client),
    signingCertificate: client.raw,
    netbiosName: propertyOf(request, 'NetBIOS Name') ?? '',
    fqdn: propertyOf(request, 'FQ Name') ?? '',
    proxySmsid: proxySmsid ?? null,
    requestedAt: now
  }
}

/** The row of a message that was checked. */
export function newMessageOf(
  smsid: string,
  { isCertified, message }: CheckedMessage,
  { transport, callerId }: ReceivedMessage,
  receivedAt: Date
): NewRegistrationMessage {
  const { request, data, signature } = message
  const proxySmsid = message.proxySmsid ?? null
  const { mode } = transport
  const signatureHash = signatureHashOf(signature)
  return {
    smsid,
    kind: request.type,
    signatureHash,
    data,
    signature,
    proxySmsid,
    mode,
    callerId,
    isCertified,
    receivedAt
  }
}
