import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Has the clients' own servers told of drills that fail, in the transaction in which they do. */
export class TellOfFailedDrills1795231844000 implements MigrationInterface {
  readonly name = 'TellOfFailedDrills1795231844000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.webhook_delivery
        ALTER request_id DROP NOT NULL,
        ADD drill_id integer REFERENCES certkeep.key_drill (id),
        DROP CONSTRAINT webhook_delivery_is_known,
        ADD CONSTRAINT webhook_delivery_is_known
          CHECK (event IN ('pending', 'issued', 'denied', 'failed', 'revoked', 'recovered', 'drill_failed')),
        ADD CONSTRAINT webhook_delivery_of_drill CHECK (
          (event = 'drill_failed') = (drill_id IS NOT NULL) AND num_nonnulls(request_id, drill_id) = 1);

      -- A drill is of the whole installation, so whoever is told of one CA or template is not told of it.
      CREATE FUNCTION certkeep.record_drill_delivery() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        INSERT INTO certkeep.webhook_delivery
          (webhook, drill_id, event, disposition_message, failure_code, occurred_at, queue_at)
        SELECT w.name, NEW.id, 'drill_failed', coalesce(NEW.failure_message, ''), NEW.failure_code, NEW.ended_at, NEW.ended_at
        FROM certkeep.webhook AS w
        WHERE w.stopped_at IS NULL AND 'drill_failed' = ANY (w.events) AND w.ca_name IS NULL AND w.template_name IS NULL;
        RETURN NULL;
      END $$;
      REVOKE EXECUTE ON FUNCTION certkeep.record_drill_delivery() FROM PUBLIC;
      CREATE TRIGGER key_drill_failure_is_told AFTER UPDATE OF state ON certkeep.key_drill FOR EACH ROW
        WHEN (OLD.state = 'due' AND NEW.state = 'failed')
        EXECUTE FUNCTION certkeep.record_drill_delivery();
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER key_drill_failure_is_told ON certkeep.key_drill;
      DROP FUNCTION certkeep.record_drill_delivery();
      DELETE FROM certkeep.webhook_delivery WHERE event = 'drill_failed';
      UPDATE certkeep.webhook SET events = array_remove(events, 'drill_failed');
      ALTER TABLE certkeep.webhook_delivery
        DROP CONSTRAINT webhook_delivery_of_drill,
        DROP CONSTRAINT webhook_delivery_is_known,
        ADD CONSTRAINT webhook_delivery_is_known
          CHECK (event IN ('pending', 'issued', 'denied', 'failed', 'revoked', 'recovered')),
        DROP drill_id,
        ALTER request_id SET NOT NULL;
    `)
  }
}
