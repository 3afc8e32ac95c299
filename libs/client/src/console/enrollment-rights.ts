import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** For whom an enrollment agent may ask. */
export interface AgentScope {
  readonly id: string
  readonly account: string
  readonly template: string
  readonly subjectGroup: string
  /** Absent for every CA. */
  readonly ca?: string
  readonly grantedBy: string
  readonly grantedAt: string
}

const agents = '/api/v1/enrollment-agents'

/** For whom enrollment agents may ask, and who may enroll at a CA. */
export class EnrollmentRights {
  constructor(private readonly transport: Transport) {}

  listAgents(query: PageOptions & { readonly account?: string } = {}): Promise<ListPage<AgentScope>> {
    return this.transport.json({ path: agents, query: { ...query } })
  }

  grantAgent(scope: Pick<AgentScope, 'account' | 'template' | 'subjectGroup' | 'ca'>): Promise<AgentScope> {
    return this.transport.json({ method: 'POST', path: agents, json: scope })
  }

  async revokeAgent(id: string): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `${agents}/${encodeURIComponent(id)}` })
  }

  /** The groups that may enroll at a CA; null is whoever a template lets. */
  async enrollGroups(ca: string): Promise<readonly string[] | null> {
    const { groups } = await this.transport.json<{ readonly groups: readonly string[] | null }>({
      path: enrollment(ca)
    })
    return groups
  }

  async setEnrollGroups(ca: string, groups: readonly string[] | null): Promise<void> {
    await this.transport.call({ method: 'PUT', path: enrollment(ca), json: { groups } })
  }
}

function enrollment(ca: string): string {
  return `/api/v1/cas/${encodeURIComponent(ca)}/enrollment`
}
