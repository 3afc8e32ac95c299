import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Whom a sealed key is sealed to, and how many of them open it, in the row itself: so the keys of the same agents are
 * counted from an index, however many there are.
 */
export class GroupSealedKeys1795231100000 implements MigrationInterface {
  readonly name = 'GroupSealedKeys1795231100000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COLUMNS)
    await runner.query(COVERAGE)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.archive_coverage();
      DROP INDEX certkeep.sealed_key_of_agents;
      ALTER TABLE certkeep.sealed_key DROP agent_ids, DROP quorum;
    `)
  }
}

const COLUMNS = `
  -- The threshold of a ThresholdSealedKey: the second INTEGER of its terms, three elements down in the ContentInfo.
  CREATE FUNCTION pg_temp.threshold_of(sealed bytea) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    place integer := 0;
    size integer;
  BEGIN
    FOR depth IN 1..4 LOOP
      size := get_byte(sealed, place + 1);
      place := place + CASE WHEN size < 128 THEN 2 ELSE 2 + (size & 127) END;
      IF depth = 1 THEN
        place := place + 2 + get_byte(sealed, place + 1);
      END IF;
    END LOOP;
    -- Past the version, which is one octet.
    place := place + 3;
    RETURN get_byte(sealed, place + 1 + get_byte(sealed, place + 1));
  END $$;

  ALTER TABLE certkeep.sealed_key
    -- The same agents as in sealed_key_agent, in ascending order.
    ADD agent_ids integer[],
    -- So many of them open the key.
    ADD quorum integer;
  UPDATE certkeep.sealed_key AS s SET
    agent_ids = ARRAY(SELECT a.agent_id FROM certkeep.sealed_key_agent AS a WHERE a.request_id = s.request_id ORDER BY 1),
    quorum = CASE WHEN s.mode = 'threshold' THEN pg_temp.threshold_of(s.sealed) ELSE 1 END;
  DROP FUNCTION pg_temp.threshold_of(bytea);
  ALTER TABLE certkeep.sealed_key
    ALTER agent_ids SET NOT NULL,
    ALTER quorum SET NOT NULL,
    ADD CONSTRAINT sealed_key_has_quorum CHECK (quorum BETWEEN 1 AND cardinality(agent_ids)),
    ADD CONSTRAINT sealed_key_quorum_of_mode CHECK ((quorum > 1) = (mode = 'threshold'));
  CREATE INDEX sealed_key_of_agents ON certkeep.sealed_key (agent_ids, quorum);
`

/** The console learns how many keys there are of which agents, and of no key anything. */
const COVERAGE = `
  CREATE FUNCTION certkeep.archive_coverage() RETURNS TABLE (agent_ids integer[], quorum integer, keys bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = certkeep, pg_temp AS $$
    SELECT s.agent_ids, s.quorum, count(*) FROM certkeep.sealed_key AS s GROUP BY s.agent_ids, s.quorum
  $$;
  REVOKE ALL ON FUNCTION certkeep.archive_coverage() FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION certkeep.archive_coverage() TO certkeep_console, certkeep_archive;
`
