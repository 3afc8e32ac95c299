import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Sealed keys that are none of a subscriber's, or no longer: canaries, which the drill archives, recovers and deletes, have
 * a negative number and no request; what was purged has a row without a sealed form. Neither has agents, so that neither
 * counts among the keys that agents can open.
 */
export class DistinguishSealedKeys1795231200000 implements MigrationInterface {
  readonly name = 'DistinguishSealedKeys1795231200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.sealed_key
        DROP CONSTRAINT sealed_key_request_id_fkey,
        ADD canary boolean NOT NULL GENERATED ALWAYS AS (request_id < 0) STORED,
        -- The request of a key that is no canary.
        ADD of_request integer GENERATED ALWAYS AS (CASE WHEN request_id > 0 THEN request_id END) STORED
          REFERENCES certkeep.request (id),
        ADD purged_at timestamptz,
        ALTER sealed DROP NOT NULL,
        DROP CONSTRAINT sealed_key_has_quorum,
        ADD CONSTRAINT sealed_key_has_quorum CHECK (
          CASE WHEN request_id < 0 OR purged_at IS NOT NULL THEN agent_ids = '{}'
          ELSE quorum BETWEEN 1 AND cardinality(agent_ids) END),
        ADD CONSTRAINT sealed_key_is_there_until_purged CHECK ((sealed IS NULL) = (purged_at IS NOT NULL));
      CREATE INDEX sealed_key_canary ON certkeep.sealed_key (sealed_at) WHERE canary;
    `)
    await runner.query(LISTED)
  }

  /** What was purged stays so: an octet takes the place of what is not there. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(FORMER)
    await runner.query(`
      DROP INDEX certkeep.sealed_key_canary;
      DELETE FROM certkeep.sealed_key WHERE canary;
      ALTER TABLE certkeep.sealed_key
        DROP CONSTRAINT sealed_key_is_there_until_purged,
        DROP CONSTRAINT sealed_key_has_quorum;
      UPDATE certkeep.sealed_key SET sealed = '\\x00' WHERE sealed IS NULL;
      ALTER TABLE certkeep.sealed_key
        DROP purged_at, DROP of_request, DROP canary,
        ALTER sealed SET NOT NULL,
        ADD CONSTRAINT sealed_key_has_quorum CHECK (quorum BETWEEN 1 AND cardinality(agent_ids)) NOT VALID,
        ADD CONSTRAINT sealed_key_request_id_fkey FOREIGN KEY (request_id) REFERENCES certkeep.request (id);
    `)
  }
}

/** Those of subscribers that are there: what agents can open, and what a recovery can be of. */
const LISTED = `
  CREATE OR REPLACE FUNCTION certkeep.archive_coverage()
  RETURNS TABLE (agent_ids integer[], quorum integer, keys bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = certkeep, pg_temp AS $$
    SELECT s.agent_ids, s.quorum, count(*) FROM certkeep.sealed_key AS s
    WHERE s.agent_ids <> '{}' GROUP BY s.agent_ids, s.quorum
  $$;

  CREATE OR REPLACE FUNCTION certkeep.archived_keys(of_requests integer[])
  RETURNS TABLE (request_id integer, ca_id integer, mode text, quorum integer, key_format text, algorithm text,
    bits integer, sealed_at timestamptz, agent_ids integer[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.request_id, r.ca_id, s.mode, greatest(s.quorum, coalesce(
        (t.definition #>> '{archival,threshold}')::integer, (t.definition #>> '{archival,approvals}')::integer, 1)),
      s.key_format, s.algorithm, s.bits, s.sealed_at, s.agent_ids
    FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
    LEFT JOIN certkeep.template AS t ON t.id = r.template_id
    WHERE s.request_id = ANY (of_requests) AND r.state IN ('issued', 'revoked') AND s.purged_at IS NULL
  $$;
`

/** As they were. */
const FORMER = `
  CREATE OR REPLACE FUNCTION certkeep.archive_coverage()
  RETURNS TABLE (agent_ids integer[], quorum integer, keys bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = certkeep, pg_temp AS $$
    SELECT s.agent_ids, s.quorum, count(*) FROM certkeep.sealed_key AS s GROUP BY s.agent_ids, s.quorum
  $$;

  CREATE OR REPLACE FUNCTION certkeep.archived_keys(of_requests integer[])
  RETURNS TABLE (request_id integer, ca_id integer, mode text, quorum integer, key_format text, algorithm text,
    bits integer, sealed_at timestamptz, agent_ids integer[])
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    RETURN QUERY
      SELECT s.request_id, r.ca_id, s.mode, greatest(s.quorum, coalesce(
          (t.definition #>> '{archival,threshold}')::integer, (t.definition #>> '{archival,approvals}')::integer, 1)),
        s.key_format, s.algorithm, s.bits, s.sealed_at,
        ARRAY(SELECT a.agent_id FROM certkeep.sealed_key_agent AS a WHERE a.request_id = s.request_id ORDER BY 1)
      FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
      LEFT JOIN certkeep.template AS t ON t.id = r.template_id
      WHERE s.request_id = ANY (of_requests) AND r.state IN ('issued', 'revoked');
  END $$;
`
