import { Injectable } from '@nestjs/common'
import type { AgentId } from '@app/core'
import { getAgentPart } from '@app/escrow'
import { AgentStore, ArchiveStore, type PreparedShare, type RecoveryToPrepare, type SealedKey } from '@app/storage'
import { decodeCertificate } from '@app/x509'

/** The sealed keys of recoveries, and the agents' parts of them. */
@Injectable()
export class RecoveryKeys {
  constructor(
    private readonly archive: ArchiveStore,
    private readonly agents: AgentStore
  ) {}

  /** Undefined once it is purged. */
  find(requestId: RecoveryToPrepare['requestId']): Promise<SealedKey | undefined> {
    return this.archive.findSealed(requestId)
  }

  /** What each of the agents is given: of a key that several open together its own share, else nothing. */
  async shares(key: SealedKey, agentIds: readonly AgentId[]): Promise<readonly PreparedShare[]> {
    if (key.mode === 'any-agent') return agentIds.map(agentId => ({ agentId, share: null, binding: null }))
    const rows = await this.agents.findAll(agentIds)
    return agentIds.flatMap(agentId => {
      const row = rows.get(agentId)
      if (row === undefined) return []
      const { part, binding } = getAgentPart(key.sealed, decodeCertificate(row.certificate))
      return [{ agentId, share: part, binding }]
    })
  }
}
