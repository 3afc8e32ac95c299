import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, fromHex, type AgentId, type CaId, type Clock, type RequestId } from '@app/core'
import { CLOCK } from '@app/platform'
import type { Permission } from '@app/policy'
import {
  ArchivedKeyStore,
  CaStore,
  PrincipalStore,
  type AgentOfKeyRow,
  type ArchivedCertificate,
  type ArchivedKeyFacts,
  type ArchivedKeyFilter,
  type Page
} from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { serialOctets } from '../certificates/certificates.service.js'
import type { KeyCriteria } from './archived-keys.schemas.js'

/** An archived key: its certificate, what it is, and the agents that it is sealed to. */
export interface FoundKey {
  readonly certificate: ArchivedCertificate
  readonly facts: ArchivedKeyFacts
  readonly agents: readonly AgentOfKeyRow[]
}

/** Finds archived keys by what is known of their certificates. */
@Injectable()
export class ArchivedKeySearch {
  constructor(
    private readonly keys: ArchivedKeyStore,
    private readonly principals: PrincipalStore,
    private readonly cas: CaStore,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * One page of the archived keys of the CAs where the operator has the permission. Throws `not_found` for another CA and
   * for an account that is not there.
   */
  async find(
    criteria: KeyCriteria,
    by: { readonly operator: AuthenticatedOperator; readonly permission: Permission },
    limit: number,
    cursor?: RequestId
  ): Promise<Page<FoundKey, RequestId>> {
    const caIds = await this.permittedCas(criteria.ca, by.operator, by.permission)
    const page = await this.keys.search(await this.filterOf(criteria, caIds), limit, cursor)
    return { ...page, rows: await this.withFacts(page.rows) }
  }

  /** The template of the certificate that a key is archived with; null when it is not there any more. */
  async templateOf(requestId: RequestId): Promise<string | null> {
    return (await this.keys.findTemplate(requestId)) ?? null
  }

  /** The agents of a key, by their numbers. */
  async agentsOf(ids: readonly AgentId[]): Promise<readonly AgentOfKeyRow[]> {
    return [...(await this.keys.findAgents(ids, this.clock.now())).values()]
  }

  private async permittedCas(
    name: string | undefined,
    operator: AuthenticatedOperator,
    permission: Permission
  ): Promise<readonly CaId[]> {
    const ids = (await this.cas.list()).map(({ id }) => id).filter(id => operator.may(permission, id))
    const id = await this.named.caIdOf(name)
    if (id === null) return ids
    if (ids.includes(id)) return [id]
    throw new AppError('not_found', `There is no CA "${(name ?? '').slice(0, 64)}".`)
  }

  private async filterOf(criteria: KeyCriteria, caIds: readonly CaId[]): Promise<ArchivedKeyFilter> {
    const { serial, subject, upn, account, fingerprint, request } = criteria
    const accounts = [
      ...(upn === undefined ? [] : [(await this.principals.findUsersBy('upn', upn)).map(({ id }) => id)]),
      ...(account === undefined ? [] : [[(await this.named.account(account)).id]])
    ]
    const [first, second = first] = accounts
    const principalIds = first?.filter(id => second?.includes(id))
    return {
      caIds,
      ...(serial === undefined ? {} : { serialNumber: serialOctets(serial) }),
      ...(subject === undefined ? {} : { subject }),
      ...(principalIds === undefined ? {} : { principalIds }),
      ...(fingerprint === undefined ? {} : { fingerprint: fromHex(fingerprint.replaceAll(':', '')) as Uint8Array }),
      ...(request === undefined ? {} : { requestId: asId<RequestId>(request) })
    }
  }

  private async withFacts(rows: readonly ArchivedCertificate[]): Promise<readonly FoundKey[]> {
    if (rows.length === 0) return []
    const facts = await this.keys.findAll(rows.map(({ requestId }) => requestId))
    const ids = [...new Set([...facts.values()].flatMap(({ agentIds }) => agentIds))]
    const agents = await this.keys.findAgents(ids, this.clock.now())
    return rows.flatMap(certificate => {
      const found = facts.get(certificate.requestId)
      if (found === undefined) return []
      return [{ certificate, facts: found, agents: found.agentIds.flatMap(id => agents.get(id) ?? []) }]
    })
  }
}
