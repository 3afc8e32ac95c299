import type { AgentId, CaId, PrincipalId, RequestId } from '@app/core'
import type { DataSource } from 'typeorm'
import { Conditions, type Page, pageOf } from './page.js'
import type { AgentOfKeyRow, ArchivedCertificate, ArchivedKeyFacts } from './recovery-row.js'
import { query, queryOne, type Statement } from './sql.js'
import { subjectCondition } from './subject-words.js'
import { storableText } from './text.js'

const FACTS: Statement = {
  name: 'archived_key_facts',
  text: `
    SELECT request_id AS "requestId", ca_id AS "caId", mode, quorum, key_format AS "keyFormat", algorithm, bits,
      sealed_at AS "sealedAt", agent_ids AS "agentIds"
    FROM certkeep.archived_keys($1::integer[])`
}

const AGENTS: Statement = {
  name: 'archived_key_agents',
  text: `
    SELECT g.id AS "agentId", g.name, g.certificate, g.principal_id AS "principalId", p.domain,
      p.account_name AS "accountName", g.state = 'active' AND $2 BETWEEN g.not_before AND g.not_after AND NOT EXISTS (
        SELECT FROM certkeep.certificate AS c
        WHERE c.sha256 = g.sha256 AND c.state = 'issued' AND c.revoked_at IS NOT NULL) AS usable
    FROM certkeep.recovery_agent AS g LEFT JOIN certkeep.principal AS p ON p.id = g.principal_id
    WHERE g.id = ANY ($1::integer[]) ORDER BY g.id`
}

/** What a search for archived keys is narrowed by. Everything that is given must hold. */
export interface ArchivedKeyFilter {
  readonly caIds: readonly CaId[]
  /** Content octets of the INTEGER. */
  readonly serialNumber?: Uint8Array
  readonly requestId?: RequestId
  readonly principalIds?: readonly PrincipalId[]
  /** Each of its words begins one of the subject's. */
  readonly subject?: string
  /** SHA-1 or SHA-256 of the DER certificate. */
  readonly fingerprint?: Uint8Array
}

const CERTIFICATE = `
  c.request_id AS "requestId", c.ca_id AS "caId", c.serial_number AS "serialNumber", c.subject,
  c.template_name AS "templateName", c.not_before AS "notBefore", c.not_after AS "notAfter", c.sha1, c.sha256,
  c.principal_id AS "principalId", c.revoked_at AS "revokedAt", c.revocation_reason AS "revocationReason",
  p.domain, p.account_name AS "accountName"`

const BYTES: Statement = {
  name: 'archived_certificate_bytes',
  text: 'SELECT certificate FROM certkeep.archived_certificate WHERE request_id = $1'
}

const TEMPLATE: Statement = {
  name: 'archived_certificate_template',
  text: 'SELECT template_name AS "templateName" FROM certkeep.archived_certificate WHERE request_id = $1'
}

/** What the archive has: for the console, which reads no sealed key. */
export class ArchivedKeyStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Certificates whose keys are in the archive, the newest request first; the cursor is the last request seen. */
  async search(
    filter: ArchivedKeyFilter,
    limit: number,
    cursor?: RequestId
  ): Promise<Page<ArchivedCertificate, RequestId>> {
    const { fingerprint, subject } = filter
    const conditions = new Conditions()
      .add('c.ca_id = ANY (?::integer[])', filter.caIds)
      .add('c.serial_number = ?', filter.serialNumber)
      .add('c.request_id = ?', filter.requestId)
      .add('c.principal_id = ANY (?::uuid[])', filter.principalIds)
      .add(subjectCondition('c.subject'), subject && storableText(subject))
      .add(fingerprint?.length === 20 ? 'c.sha1 = ?' : 'c.sha256 = ?', fingerprint)
      .add('c.request_id < ?', cursor)
    const text = `
      SELECT ${CERTIFICATE} FROM certkeep.archived_certificate AS c
      LEFT JOIN certkeep.principal AS p ON p.id = c.principal_id
      ${conditions.where()} ORDER BY c.request_id DESC ${conditions.limit(limit)}`
    const rows = await query<ArchivedCertificate>(this.dataSource, undefined, { text }, conditions.values)
    return pageOf(rows, limit, ({ requestId }) => requestId)
  }

  /** For the authority too: the certificate, DER, whose key was archived with a request. */
  async findCertificate(requestId: RequestId): Promise<Buffer | undefined> {
    return (await queryOne<{ readonly certificate: Buffer }>(this.dataSource, undefined, BYTES, [requestId]))
      ?.certificate
  }

  /** The name of the template that the certificate is of; undefined without one. */
  async findTemplate(requestId: RequestId): Promise<string | undefined> {
    type Row = { readonly templateName: string | null }
    return (await queryOne<Row>(this.dataSource, undefined, TEMPLATE, [requestId]))?.templateName ?? undefined
  }

  /** Those of the requests that have an archived key and a certificate. */
  async findAll(ids: readonly RequestId[]): Promise<ReadonlyMap<RequestId, ArchivedKeyFacts>> {
    const rows = await query<ArchivedKeyFacts>(this.dataSource, undefined, FACTS, [ids])
    return new Map(rows.map(row => [row.requestId, row]))
  }

  /** Agents by their numbers, and whether they can be used at the time. */
  async findAgents(ids: readonly AgentId[], now: Date): Promise<ReadonlyMap<AgentId, AgentOfKeyRow>> {
    const rows = await query<AgentOfKeyRow>(this.dataSource, undefined, AGENTS, [ids, now])
    return new Map(rows.map(row => [row.agentId, row]))
  }
}
