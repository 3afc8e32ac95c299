import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { isAppError, type Clock } from '@app/core'
import { CLOCK } from '@app/platform'
import {
  approvalOf,
  decodeRegistrationData,
  isHintOf,
  keyHashOf,
  propertyOf,
  readClientCertificate,
  requireMessageSignature,
  type RegistrationRequest
} from '@app/registration'
import {
  PrincipalStore,
  RegistrationDecisionStore,
  SiteStore,
  type Because,
  type RegistrationFacts,
  type RegistrationMessageRow,
  type RegistrationRow,
  type SiteRow,
  type Unit
} from '@app/storage'
import type { Certificate } from '@app/x509'
import { ClientAccounts, type NameVoucher } from './client-accounts.js'

/** Where a decision is taken. */
export interface DecisionPlace {
  readonly site: SiteRow
  readonly unit: Unit
}

/** What a message says, verified once more. */
interface ReadMessage {
  readonly request: RegistrationRequest
  readonly client: Certificate
}

const because: Because = { actor: 'role:console' }

/** Decides what becomes of a registration. Everything of one decision is in one transaction. */
@Injectable()
export class RegistrationDecisions {
  constructor(
    private readonly rows: RegistrationDecisionStore,
    private readonly sites: SiteStore,
    private readonly principals: PrincipalStore,
    private readonly accounts: ClientAccounts,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Decides a message that waits: registers the client, refuses it, or has an operator decide when another client has its
   * hardware identifier.
   */
  async decide(message: RegistrationMessageRow, client: RegistrationRow, place: DecisionPlace): Promise<void> {
    // 1. The front may have been deceived, or be somebody else: the signature says what the client wanted.
    const read = await this.read(message, client, place)
    if (read === undefined || client.blockedAt !== null) {
      const reason = read === undefined ? 'the message does not verify' : 'the client is blocked'
      if (client.status === 'pending') await this.rows.reject(client, reason, because, this.clock.now(), place.unit)
      return this.rows.settle(message, 'done', place.unit)
    }
    // 2. Another client with this hardware is a question for an operator, once.
    const hardwareId = propertyOf(read.request, '.HardwareID1')
    if (hardwareId !== undefined && hardwareId.toLowerCase() !== client.hardwareId?.toLowerCase()) {
      const other = await this.rows.findSameHardware(hardwareId, client.smsid, place.unit)
      if (other !== undefined) return this.hold(message, { client, other, hardwareId }, place.unit)
    }
    // 3. The client as it says it is.
    await this.register(message, client, place)
  }

  /**
   * Registers a client, which is locked, as a message says, whoever else has its hardware; refuses one that waits when the
   * message does not verify any more. Its account comes with the approval. Throws `conflict` when another client has the
   * key.
   */
  async register(message: RegistrationMessageRow, client: RegistrationRow, place: DecisionPlace): Promise<void> {
    const { unit } = place
    const read = await this.read(message, client, place)
    if (read !== undefined) {
      const facts = await this.factsOf(message, read, client, place)
      await this.rows.register(client, facts, because, this.clock.now(), unit)
      // failpoint: registration.registered
      const row = await this.rows.lock(client.smsid, unit)
      if (row !== undefined) await this.accounts.provide(row, voucherOf(message, place.site), because, unit)
      // failpoint: registration.account-provided
    } else if (client.status === 'pending') {
      await this.rows.reject(client, 'the message does not verify', because, this.clock.now(), unit)
    }
    await this.rows.settle(message, 'done', unit)
  }

  /** Lets a client that is there go on with the key and the facts of a newcomer that it turned out to be. */
  async takeOver(
    message: RegistrationMessageRow,
    { existing, newcomer }: { readonly existing: RegistrationRow; readonly newcomer: RegistrationRow },
    place: DecisionPlace
  ): Promise<void> {
    const read = await this.read(message, newcomer, place)
    if (read !== undefined) {
      const facts = await this.factsOf(message, read, existing, place)
      await this.rows.register(existing, facts, because, this.clock.now(), place.unit)
    }
    await this.rows.settle(message, 'done', place.unit)
  }

  private async hold(
    message: RegistrationMessageRow,
    found: { readonly client: RegistrationRow; readonly other: RegistrationRow; readonly hardwareId: string },
    unit: Unit
  ): Promise<void> {
    const { client, other, hardwareId } = found
    // A client that registers again before anybody has looked waits in the conflict that is there.
    if (await this.rows.hasOpenConflict(client.smsid, unit)) return this.rows.settle(message, 'done', unit)
    const ids = { id: randomUUID(), smsid: client.smsid, conflictSmsid: other.smsid, messageId: message.id }
    await this.rows.addConflict({ ...ids, hardwareId, foundAt: this.clock.now() }, because, unit)
    await this.rows.settle(message, 'held', unit)
  }

  /** Undefined for a message that does not verify, or that another key than the client's signed without a good hint. */
  private async read(
    message: RegistrationMessageRow,
    row: RegistrationRow,
    { site, unit }: DecisionPlace
  ): Promise<ReadMessage | undefined> {
    const { data, signature, proxySmsid } = message
    if (data === null || signature === null) return undefined
    try {
      const request = decodeRegistrationData(data)
      const client = readClientCertificate(request.signingCertificate, 'Data/Certificates/Signing')
      const proxy = proxySmsid === null ? undefined : await this.sites.findProxy(proxySmsid, unit)
      if (proxySmsid !== null && proxy === undefined) return undefined
      const signer = proxy === undefined ? client : readClientCertificate(proxy.certificate, 'The certificate')
      requireMessageSignature({ data, signature, hash: request.hash }, signer, site.isSha1Taken)
      const registered = readClientCertificate(row.signingCertificate, 'The registered certificate')
      const isSameKey = keyHashOf(client).equals(row.keyHash)
      return isSameKey || isHintOf(request, registered) ? { request, client } : undefined
    } catch (error) {
      if (isAppError(error, 'registration_refused') || isAppError(error, 'registration_schema_invalid'))
        return undefined
      throw error
    }
  }

  private async factsOf(
    message: RegistrationMessageRow,
    { request, client }: ReadMessage,
    row: RegistrationRow,
    { site, unit }: DecisionPlace
  ): Promise<RegistrationFacts> {
    const caller = message.callerId === null ? undefined : await this.principals.find(message.callerId, unit)
    const isCaller = caller !== undefined && caller.disabledAt === null
    // Who is native stays it: another message in the clear takes nothing back.
    const mode = row.status === 'registered' && row.mode === 'native' ? 'native' : message.mode
    const callerDomain = isCaller ? caller.domain : undefined
    const { approvalMode, trustedDomains } = site
    const { isCertified } = message
    const judged = approvalOf({ mode, approvalMode, trustedDomains, callerDomain, isCertified })
    // What an operator has said of a registered client stands, unless approval is not used for it any more.
    const approval = row.status === 'registered' && mode === row.mode ? row.approval : judged
    return {
      approval,
      mode,
      keyHash: keyHashOf(client),
      signingCertificate: client.raw,
      encryptionCertificate: request.encryptionCertificate ?? null,
      agentType: request.agent.type,
      agentVersion: request.agent.version,
      agentIdentity: request.agent.identity,
      netbiosName: propertyOf(request, 'NetBIOS Name') ?? '',
      fqdn: propertyOf(request, 'FQ Name') ?? '',
      hardwareId: propertyOf(request, '.HardwareID1') ?? null,
      properties: Object.fromEntries(request.properties),
      proxySmsid: message.proxySmsid,
      isIntegrated: isCaller,
      callerId: isCaller ? caller.id : null
    }
  }
}

/** In mixed mode a site that approves all takes every name; else the certificate of a trusted CA says which. */
function voucherOf({ mode, isCertified }: RegistrationMessageRow, { approvalMode }: SiteRow): NameVoucher {
  if (mode === 'mixed' && approvalMode === 'all') return 'site'
  return isCertified ? 'certificate' : 'nobody'
}
