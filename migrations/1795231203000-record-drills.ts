import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Drills: a canary key is archived and recovered, to see that it can be done. The test agents are the archive's own. */
export class RecordDrills1795231203000 implements MigrationInterface {
  readonly name = 'RecordDrills1795231203000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.key_drill (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        state text NOT NULL CHECK (state IN ('due', 'succeeded', 'failed')),
        requested_by text NOT NULL,
        due_at timestamptz NOT NULL,
        lease_until timestamptz,
        ended_at timestamptz,
        -- How many canaries were archived and recovered.
        canaries integer,
        failure_code text,
        failure_message text,
        CONSTRAINT key_drill_ended_has_time CHECK ((state = 'due') = (ended_at IS NULL)),
        CONSTRAINT key_drill_succeeded_has_canaries CHECK (state <> 'succeeded' OR canaries > 0),
        CONSTRAINT key_drill_failed_has_reason CHECK ((state = 'failed') = (failure_code IS NOT NULL))
      );
      -- One at a time.
      CREATE UNIQUE INDEX key_drill_due ON certkeep.key_drill ((true)) WHERE state = 'due';
      CREATE INDEX key_drill_succeeded ON certkeep.key_drill (ended_at) WHERE state = 'succeeded';
      CREATE TRIGGER key_drill_ends_once BEFORE UPDATE ON certkeep.key_drill FOR EACH ROW
        WHEN (OLD.state <> 'due') EXECUTE FUNCTION certkeep.refuse('a drill has one outcome');

      -- Whose keys are in the archive's key store: they open canaries, and no key of a subscriber is sealed to them.
      CREATE TABLE certkeep.drill_agent (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key_reference text NOT NULL UNIQUE,
        certificate bytea NOT NULL,
        not_after timestamptz NOT NULL
      );
      CREATE SEQUENCE certkeep.canary_number AS integer CYCLE;

      GRANT SELECT, INSERT (state, requested_by, due_at) ON certkeep.key_drill TO certkeep_console, certkeep_archive;
      GRANT UPDATE (state, lease_until, ended_at, canaries, failure_code, failure_message) ON certkeep.key_drill
        TO certkeep_archive;
      GRANT SELECT, INSERT, DELETE ON certkeep.drill_agent TO certkeep_archive;
      GRANT USAGE ON SEQUENCE certkeep.canary_number TO certkeep_archive;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP SEQUENCE certkeep.canary_number;
      DROP TABLE certkeep.drill_agent;
      DROP TABLE certkeep.key_drill;
    `)
  }
}
