import { Injectable } from '@nestjs/common'
import { AppError, memoized, type CaId, type PrincipalId, type RequestId } from '@app/core'
import { CR_IN, decodeStoredRequest, parseRequestAttributes, findRequestAttributes } from '@app/cmc'
import { isSealable, type CaFacts, type DecisionInput } from '@app/policy'
import {
  AgentStore,
  CertificateStore,
  PrincipalStore,
  requesterOf,
  TemplateStore,
  type PrincipalRow,
  type RequestRow,
  type TemplateRow
} from '@app/storage'
import { CaRegistry } from '../ca/ca-registry.js'
import { EndorsementFacts } from './endorsement-facts.js'

/** What is the same for all requests at one CA. */
interface AtCa {
  readonly ca: CaFacts
  readonly offered: readonly TemplateRow[]
}

/** What a batch of requests is judged by, read once for all of them. */
export interface BatchFacts {
  /** Who made the request; undefined when the account is gone or disabled. */
  principal(row: RequestRow): Promise<PrincipalRow | undefined>
  input(row: RequestRow, principal: PrincipalRow): Promise<DecisionInput>
  /** The row of the template version that a decision names. */
  template(row: RequestRow, name: string): Promise<TemplateRow>
}

/** Gathers from the database what the policy needs; it decides nothing. */
@Injectable()
export class PolicyFacts {
  constructor(
    private readonly registry: CaRegistry,
    private readonly templates: TemplateStore,
    private readonly agents: AgentStore,
    private readonly principals: PrincipalStore,
    private readonly certificates: CertificateStore,
    private readonly endorsements: EndorsementFacts
  ) {}

  /** Facts on these rows as they are at `now`; each is read when first asked for, and for all rows at once. */
  batch(rows: readonly RequestRow[], now: Date): BatchFacts {
    const atCa = memoized((caId: CaId) => this.atCa(caId, now))
    let principals: Promise<ReadonlyMap<PrincipalId, PrincipalRow>> | undefined
    let keyOwners: Promise<ReadonlyMap<RequestId, PrincipalId>> | undefined
    return {
      principal: async row => {
        principals ??= this.principals.findAll(rows.flatMap(({ requesterId }) => requesterId ?? []))
        const found = row.requesterId === null ? undefined : (await principals).get(row.requesterId)
        return found?.disabledAt === null ? found : undefined
      },
      input: async (row, found) => {
        const { ca, offered } = await atCa(row.caId)
        const stored = decodeStoredRequest(row.rawRequest)
        const names = findRequestAttributes(parseRequestAttributes(row.requestAttributes), 'CertificateTemplate')
        keyOwners ??= this.keyOwners(rows)
        const keyOwner = (await keyOwners).get(row.id)
        return {
          request: {
            ...stored,
            template: { ...stored.template, names: [...stored.template.names, ...names] },
            proof: { digest: row.proofDigest === 'sha1' ? 'sha1' : 'sha256' }
          },
          hasArchivedKey: row.carriesKey,
          requester: requesterOf(found),
          offered: offered.map(template => template.definition),
          ca,
          now,
          isKeyBased: (row.flags & CR_IN.CR_IN_ROBO) !== 0,
          ...(stored.isEndorsed || row.callerId !== null ? await this.endorsements.of(row) : {}),
          ...(keyOwner === undefined ? {} : { keyOwner })
        }
      },
      template: async (row, name) => {
        const found = (await atCa(row.caId)).offered.find(template => template.name === name)
        if (found === undefined)
          throw new AppError('internal', `The template ${name} was decided by and is not offered.`)
        return found
      }
    }
  }

  private async atCa(caId: CaId, now: Date): Promise<AtCa> {
    const { name, certificate } = await this.registry.get(caId)
    const offered = await this.templates.listOffered(caId)
    const agents = (await this.agents.list(caId)).filter(agent => agent.state === 'active')
    const usable = agents.filter(agent => isSealable(agent, now))
    const archival = agents.length === 0 ? {} : { recoveryAgents: usable.length }
    const groups = await this.registry.findEnrollGroups(caId)
    const enroll = groups === undefined ? {} : { enroll: groups }
    return { ca: { name, notAfter: certificate.notAfter, ...archival, ...enroll }, offered }
  }

  /** For each request the principal, another than the requester, whom its key has been certified for. */
  private keyOwners(rows: readonly RequestRow[]): Promise<ReadonlyMap<RequestId, PrincipalId>> {
    const keys = rows.flatMap(({ id, keyId, requesterId }) =>
      keyId === null || requesterId === null ? [] : [{ requestId: id, keyId, principalId: requesterId }]
    )
    return this.certificates.findOtherOwners(keys)
  }
}
