import type { DataSource } from 'typeorm'
import { query, queryOne, type Statement } from './sql.js'

/** Requests of one state that is not the last. */
export interface OpenRequests {
  readonly state: 'received' | 'pending' | 'approved' | 'sealed'
  readonly count: number
  /** When the oldest of them was submitted; null when there is none. */
  readonly oldest: Date | null
}

/** The newest base CRL of a key that still signs CRLs. */
export interface CrlStanding {
  readonly ca: string
  readonly keyIndex: number
  /** Null when none was published yet. */
  readonly number: number | null
  readonly nextUpdate: Date | null
  readonly nextPublish: Date | null
}

/** A certificate that the installation itself needs. */
export interface CertificateEnd {
  readonly kind: 'ca' | 'exchange' | 'agent'
  /** Of the CA, or of the recovery agent. */
  readonly name: string
  readonly notAfter: Date
}

/** What the server of the database tells of itself. */
export interface DatabaseFacts {
  /** `server_version_num`. */
  readonly version: number
  /** Its clock. */
  readonly now: Date
  readonly bytes: number
  readonly connections: number
  readonly maxConnections: number
  /** Whether its write-ahead log is archived or streamed to a replica. */
  readonly isLogKept: boolean
}

/** Each state by the index that the step has which takes its requests, however many others there are. */
const OPEN_REQUESTS: Statement = {
  name: 'open_requests',
  text: `
    SELECT 'received' AS state, count(*)::integer AS count, min(submitted_at) AS oldest
    FROM certkeep.request WHERE state = 'received'
    UNION ALL SELECT 'pending', count(*)::integer, min(submitted_at) FROM certkeep.request WHERE state = 'pending'
    UNION ALL SELECT 'approved', sum(count)::integer, min(oldest) FROM (
      SELECT count(*) AS count, min(submitted_at) AS oldest FROM certkeep.request WHERE state = 'approved' AND archival
      UNION ALL
      SELECT count(*), min(submitted_at) FROM certkeep.request WHERE state = 'approved' AND NOT archival) AS approved
    UNION ALL SELECT 'sealed', count(*)::integer, min(submitted_at) FROM certkeep.request
    WHERE state = 'sealed'`
}

const CRLS: Statement = {
  name: 'crl_standing',
  text: `
    SELECT k.name AS ca, k.key_index AS "keyIndex", l.number, l.next_update AS "nextUpdate",
      l.next_publish AS "nextPublish"
    FROM (
      SELECT a.id, a.name, c.key_index FROM certkeep.ca AS a JOIN certkeep.ca_certificate AS c ON c.ca_id = a.id
      WHERE c.certificate IS NOT NULL GROUP BY a.id, a.name, c.key_index HAVING max(c.not_after) > now()) AS k
    LEFT JOIN LATERAL (
      SELECT r.number, r.next_update, r.next_publish FROM certkeep.crl AS r
      WHERE r.ca_id = k.id AND r.key_index = k.key_index AND r.kind = 'base' ORDER BY r.number DESC LIMIT 1) AS l ON true
    ORDER BY k.id, k.key_index`
}

/** Of each CA the certificate and the exchange certificate that it uses now; every agent in use. */
const CERTIFICATES: Statement = {
  name: 'certificate_ends',
  text: `
    SELECT 'ca' AS kind, a.name, (
      SELECT c.not_after FROM certkeep.ca_certificate AS c
      WHERE c.ca_id = a.id AND c.certificate IS NOT NULL ORDER BY c.cert_index DESC LIMIT 1) AS "notAfter"
    FROM certkeep.ca AS a WHERE a.state = 'active'
    UNION ALL
    SELECT 'exchange', a.name, max(x.not_after) FROM certkeep.exchange_key AS x JOIN certkeep.ca AS a ON a.id = x.ca_id
    WHERE x.state = 'certified' GROUP BY a.id, a.name
    UNION ALL
    SELECT 'agent', g.name, g.not_after FROM certkeep.recovery_agent AS g WHERE g.state = 'active'
    ORDER BY 1, 3, 2`
}

const DATABASE: Statement = {
  name: 'database_facts',
  text: `
    SELECT current_setting('server_version_num')::integer AS version, clock_timestamp() AS now,
      pg_database_size(current_database())::float8 AS bytes,
      (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
      current_setting('max_connections')::integer AS "maxConnections",
      current_setting('archive_mode') <> 'off' OR EXISTS (SELECT FROM pg_stat_replication) AS "isLogKept"`
}

/** For the console and the owner: what tells how an installation stands. Each answer costs a few look-ups in indexes. */
export class OperationsStore {
  constructor(private readonly dataSource: DataSource) {}

  /** Every state that a request does not stay in, also those that no request is in. */
  countOpenRequests(): Promise<readonly OpenRequests[]> {
    return query<OpenRequests>(this.dataSource, undefined, OPEN_REQUESTS, [])
  }

  /** Of every key whose CA certificate has not ended. */
  listCrls(): Promise<readonly CrlStanding[]> {
    return query<CrlStanding>(this.dataSource, undefined, CRLS, [])
  }

  listCertificateEnds(): Promise<readonly CertificateEnd[]> {
    return query<CertificateEnd>(this.dataSource, undefined, CERTIFICATES, [])
  }

  async getDatabaseFacts(): Promise<DatabaseFacts> {
    return (await queryOne<DatabaseFacts>(this.dataSource, undefined, DATABASE, [])) as DatabaseFacts
  }
}
