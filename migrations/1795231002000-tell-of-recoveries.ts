import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Has the clients' own servers told of recoveries too, when the owner of the certificate is told. */
export class TellOfRecoveries1795231002000 implements MigrationInterface {
  readonly name = 'TellOfRecoveries1795231002000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.webhook ALTER events TYPE text[] USING events::text[];
      ALTER TABLE certkeep.webhook_delivery ALTER event TYPE text USING event::text,
        ADD recovery_id integer REFERENCES certkeep.recovery (id),
        ADD CONSTRAINT webhook_delivery_is_known
          CHECK (event IN ('pending', 'issued', 'denied', 'failed', 'revoked', 'recovered')),
        ADD CONSTRAINT webhook_delivery_of_recovery CHECK ((event = 'recovered') = (recovery_id IS NOT NULL));
    `)
    await runner.query(functions('text'))
    await runner.query(RECORDING)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER recovery_is_told ON certkeep.recovery;
      DROP FUNCTION certkeep.record_recovery_delivery();
      DELETE FROM certkeep.webhook_delivery WHERE event = 'recovered';
      UPDATE certkeep.webhook SET events = array_remove(events, 'recovered');
      ALTER TABLE certkeep.webhook_delivery DROP recovery_id, DROP CONSTRAINT webhook_delivery_is_known,
        ALTER event TYPE certkeep.request_state USING event::certkeep.request_state;
      ALTER TABLE certkeep.webhook
        ALTER events TYPE certkeep.request_state[] USING events::certkeep.request_state[];
    `)
    await runner.query(functions('certkeep.request_state'))
  }
}

/** The functions of deliveries, with the type that the names of events have. */
function functions(type: 'text' | 'certkeep.request_state'): string {
  return `
  CREATE OR REPLACE FUNCTION certkeep.record_delivery() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    is_resolution boolean := NEW.state IN ('issued', 'denied', 'failed')
      AND (TG_OP = 'INSERT' OR OLD.state <> 'revoked');
    happened_at timestamptz := CASE WHEN is_resolution THEN NEW.resolved_at ELSE clock_timestamp() END;
  BEGIN
    INSERT INTO certkeep.webhook_delivery
      (webhook, request_id, event, disposition_message, failure_code, occurred_at, queue_at)
    SELECT w.name, NEW.id, NEW.state::${type}, NEW.disposition_message, NEW.failure_code, happened_at, happened_at
    FROM certkeep.webhook AS w
    WHERE w.stopped_at IS NULL AND NEW.state::${type} = ANY (w.events)
      AND (w.template_name IS NULL OR lower(w.template_name) = lower(NEW.template_name))
      AND (w.ca_name IS NULL OR EXISTS (
        SELECT FROM certkeep.ca AS c WHERE c.id = NEW.ca_id AND lower(c.name) = lower(w.ca_name)))
      -- Nobody waits for what the installation asks for itself.
      AND NEW.requester_id IS DISTINCT FROM '00000000-0000-4000-8000-000000000001';
    RETURN NULL;
  END $$;

  CREATE OR REPLACE FUNCTION certkeep.set_webhooks(configured jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    wanted boolean := jsonb_array_length(configured) > 0;
    enabled boolean;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('certkeep.webhook'));
    DELETE FROM certkeep.webhook WHERE name NOT IN (SELECT c ->> 'name' FROM jsonb_array_elements(configured) AS c);
    INSERT INTO certkeep.webhook (name, events, ca_name, template_name)
    SELECT c ->> 'name', ARRAY(SELECT jsonb_array_elements_text(c -> 'events'))::${type}[],
           c ->> 'ca', c ->> 'template'
    FROM jsonb_array_elements(configured) AS c
    ON CONFLICT (name) DO UPDATE
      SET events = EXCLUDED.events, ca_name = EXCLUDED.ca_name, template_name = EXCLUDED.template_name;
    SELECT tgenabled <> 'D' INTO enabled FROM pg_trigger
      WHERE tgrelid = 'certkeep.request'::regclass AND tgname = 'request_move_is_told';
    IF wanted AND NOT enabled THEN
      ALTER TABLE certkeep.request ENABLE TRIGGER request_move_is_told, ENABLE TRIGGER request_refusal_is_told;
    ELSIF enabled AND NOT wanted THEN
      ALTER TABLE certkeep.request DISABLE TRIGGER request_move_is_told, DISABLE TRIGGER request_refusal_is_told;
    END IF;
  END $$;
`
}

const RECORDING = `
  CREATE FUNCTION certkeep.record_recovery_delivery() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    INSERT INTO certkeep.webhook_delivery
      (webhook, request_id, recovery_id, event, disposition_message, occurred_at, queue_at)
    SELECT w.name, r.id, NEW.id, 'recovered', r.disposition_message, NEW.notified_at, NEW.notified_at
    FROM certkeep.webhook AS w, certkeep.request AS r
    WHERE r.id = NEW.request_id AND w.stopped_at IS NULL AND 'recovered' = ANY (w.events)
      AND (w.template_name IS NULL OR lower(w.template_name) = lower(r.template_name))
      AND (w.ca_name IS NULL OR EXISTS (
        SELECT FROM certkeep.ca AS c WHERE c.id = NEW.ca_id AND lower(c.name) = lower(w.ca_name)));
    RETURN NULL;
  END $$;
  REVOKE EXECUTE ON FUNCTION certkeep.record_recovery_delivery() FROM PUBLIC;
  CREATE TRIGGER recovery_is_told AFTER UPDATE OF notified_at ON certkeep.recovery FOR EACH ROW
    WHEN (OLD.notified_at IS NULL AND NEW.notified_at IS NOT NULL)
    EXECUTE FUNCTION certkeep.record_recovery_delivery();
`
