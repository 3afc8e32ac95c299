import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, toHex, type Clock, type RequestId } from '@app/core'
import { accountNameOf, CLOCK } from '@app/platform'
import type { AgentOfKeyRow, ArchivedCertificate, CertificateState } from '@app/storage'
import { CRL_REASONS, serialHexOf } from '@app/x509'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews } from '../access/page.schemas.js'
import { ArchivedKeySearch, type FoundKey } from './archived-key-search.js'
import type { ArchivedKeyItem, ArchivedKeysQuery, ArchivedKeysView } from './archived-keys.schemas.js'

const permission = 'archive.read'

/** Looking at what is in the archive. */
@Injectable()
export class ArchivedKeysService {
  constructor(
    private readonly search: ArchivedKeySearch,
    private readonly named: NamedObjects,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** One page of the archived keys of the CAs whose archive the operator may see, the newest first. */
  async list(
    { limit, cursor, ...criteria }: ArchivedKeysQuery,
    operator: AuthenticatedOperator
  ): Promise<ArchivedKeysView> {
    const from = cursor === undefined ? undefined : asId<RequestId>(cursor)
    const page = await this.search.find(criteria, { operator, permission }, limit, from)
    const caName = await this.named.caNames()
    const now = this.clock.now()
    return pageOfViews(page, found => itemOf(found, caName(found.certificate.caId) ?? '', now))
  }

  /** Throws `not_found` for a key of a CA whose archive the operator may not see, as for none. */
  async show(request: number, operator: AuthenticatedOperator): Promise<ArchivedKeyItem> {
    const { rows } = await this.search.find({ request }, { operator, permission }, 1)
    const [found] = rows
    if (found === undefined) throw new AppError('not_found', `There is no archived key of request ${request}.`)
    const caName = await this.named.caNames()
    return itemOf(found, caName(found.certificate.caId) ?? '', this.clock.now())
  }
}

function itemOf({ certificate, facts, agents }: FoundKey, ca: string, now: Date): ArchivedKeyItem {
  const { templateName } = certificate
  return {
    requestId: certificate.requestId,
    ca,
    serialNumber: serialHexOf(certificate.serialNumber),
    subject: certificate.subject,
    ...accountOf(certificate),
    ...(templateName === null ? {} : { template: templateName }),
    state: stateOf(certificate, now),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    sha1: toHex(certificate.sha1),
    sha256: toHex(certificate.sha256),
    mode: facts.mode,
    quorum: facts.quorum,
    algorithm: facts.algorithm,
    bits: facts.bits,
    sealedAt: facts.sealedAt.toISOString(),
    agents: agents.map(agentViewOf)
  }
}

/** An agent that a key is sealed to, as lists show it. */
export function agentViewOf(agent: AgentOfKeyRow): ArchivedKeyItem['agents'][number] {
  return { agentId: agent.agentId, name: agent.name, ...accountOf(agent), usable: agent.usable }
}

/** The account of a row that may have one. */
export function accountOf({
  domain,
  accountName
}: {
  readonly domain: string | null
  readonly accountName: string | null
}): { readonly account?: string } {
  return domain === null || accountName === null ? {} : { account: accountNameOf({ domain, accountName }) }
}

function stateOf({ revokedAt, revocationReason, notAfter }: ArchivedCertificate, now: Date): CertificateState {
  if (revokedAt !== null) return revocationReason === CRL_REASONS.certificateHold ? 'held' : 'revoked'
  return notAfter < now ? 'expired' : 'valid'
}
