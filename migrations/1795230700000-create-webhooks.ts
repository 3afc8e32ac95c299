import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * What the clients' own servers are told of requests. A delivery is written by a trigger, in the transaction that moves
 * the request, whichever process and statement that is. The triggers are off while no webhook is configured.
 */
export class CreateWebhooks1795230700000 implements MigrationInterface {
  readonly name = 'CreateWebhooks1795230700000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(RECORDING)
    await runner.query(CONFIGURATION)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER request_move_is_told ON certkeep.request;
      DROP TRIGGER request_refusal_is_told ON certkeep.request;
      DROP FUNCTION certkeep.set_webhooks(jsonb);
      DROP FUNCTION certkeep.record_delivery();
      DROP TABLE certkeep.webhook_delivery;
      DROP TABLE certkeep.webhook;
    `)
  }
}

const TABLES = `
  -- What of the configuration decides which deliveries there are. No address and no secret.
  CREATE TABLE certkeep.webhook (
    name text PRIMARY KEY,
    events certkeep.request_state[] NOT NULL,
    ca_name text,
    template_name text,
    -- Its receiver answered that it is gone.
    stopped_at timestamptz
  );

  CREATE TABLE certkeep.webhook_delivery (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    webhook text NOT NULL,
    request_id integer NOT NULL REFERENCES certkeep.request (id),
    event certkeep.request_state NOT NULL,
    disposition_message text NOT NULL,
    failure_code text,
    occurred_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'failed', 'stopped')),
    attempts integer NOT NULL DEFAULT 0,
    -- From when on the sweep queues it, the first time or again because its job must have been lost.
    queue_at timestamptz NOT NULL,
    -- Until when nobody else attempts it.
    leased_until timestamptz,
    -- Of the last attempt: the status of the answer, or why there was none.
    status integer,
    error text,
    ended_at timestamptz,
    CHECK ((state = 'due') = (ended_at IS NULL))
  );
  CREATE INDEX webhook_delivery_to_queue ON certkeep.webhook_delivery (queue_at) WHERE state = 'due';
  CREATE INDEX webhook_delivery_by_time ON certkeep.webhook_delivery (occurred_at DESC, id DESC);
  CREATE INDEX webhook_delivery_of_request ON certkeep.webhook_delivery (request_id);
  CREATE INDEX webhook_delivery_not_made ON certkeep.webhook_delivery (webhook, state)
    WHERE state IN ('due', 'failed', 'stopped');
  CREATE INDEX webhook_delivery_ended ON certkeep.webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;
`

const RECORDING = `
  CREATE FUNCTION certkeep.record_delivery() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    is_resolution boolean := NEW.state IN ('issued', 'denied', 'failed')
      AND (TG_OP = 'INSERT' OR OLD.state <> 'revoked');
    happened_at timestamptz := CASE WHEN is_resolution THEN NEW.resolved_at ELSE clock_timestamp() END;
  BEGIN
    INSERT INTO certkeep.webhook_delivery
      (webhook, request_id, event, disposition_message, failure_code, occurred_at, queue_at)
    SELECT w.name, NEW.id, NEW.state, NEW.disposition_message, NEW.failure_code, happened_at, happened_at
    FROM certkeep.webhook AS w
    WHERE w.stopped_at IS NULL AND NEW.state = ANY (w.events)
      AND (w.template_name IS NULL OR lower(w.template_name) = lower(NEW.template_name))
      AND (w.ca_name IS NULL OR EXISTS (
        SELECT FROM certkeep.ca AS c WHERE c.id = NEW.ca_id AND lower(c.name) = lower(w.ca_name)))
      -- Nobody waits for what the installation asks for itself.
      AND NEW.requester_id IS DISTINCT FROM '00000000-0000-4000-8000-000000000001';
    RETURN NULL;
  END $$;

  CREATE TRIGGER request_move_is_told AFTER UPDATE OF state ON certkeep.request FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.state IN ('pending', 'issued', 'denied', 'failed', 'revoked'))
    EXECUTE FUNCTION certkeep.record_delivery();
  CREATE TRIGGER request_refusal_is_told AFTER INSERT ON certkeep.request FOR EACH ROW
    WHEN (NEW.state IN ('denied', 'failed'))
    EXECUTE FUNCTION certkeep.record_delivery();
  ALTER TABLE certkeep.request DISABLE TRIGGER request_move_is_told, DISABLE TRIGGER request_refusal_is_told;
`

/** What the delivering process calls at its start. The table is locked only when there is a first webhook or none any more. */
const CONFIGURATION = `
  CREATE FUNCTION certkeep.set_webhooks(configured jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    wanted boolean := jsonb_array_length(configured) > 0;
    enabled boolean;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('certkeep.webhook'));
    DELETE FROM certkeep.webhook WHERE name NOT IN (SELECT c ->> 'name' FROM jsonb_array_elements(configured) AS c);
    INSERT INTO certkeep.webhook (name, events, ca_name, template_name)
    SELECT c ->> 'name', ARRAY(SELECT jsonb_array_elements_text(c -> 'events'))::certkeep.request_state[],
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
  REVOKE EXECUTE ON FUNCTION certkeep.set_webhooks(jsonb), certkeep.record_delivery() FROM PUBLIC;
`

const GRANTS = `
  GRANT SELECT ON certkeep.webhook, certkeep.webhook_delivery TO certkeep_front, certkeep_console;
  GRANT UPDATE (state, attempts, queue_at, leased_until, status, error, ended_at) ON certkeep.webhook_delivery
    TO certkeep_front, certkeep_console;
  GRANT DELETE ON certkeep.webhook_delivery TO certkeep_front;
  GRANT UPDATE (stopped_at) ON certkeep.webhook TO certkeep_front, certkeep_console;
  GRANT EXECUTE ON FUNCTION certkeep.set_webhooks(jsonb) TO certkeep_front;
`
