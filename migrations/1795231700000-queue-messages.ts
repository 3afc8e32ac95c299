import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Queues of messages between accounts: what waits, what was received and kept, and what could not be delivered. */
export class QueueMessages1795231700000 implements MigrationInterface {
  readonly name = 'QueueMessages1795231700000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(QUEUES)
    await runner.query(MESSAGES)
    await runner.query(BYTES)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.message_seen;
      DROP TABLE certkeep.message;
      DROP TABLE certkeep.message_queue;
      DROP FUNCTION certkeep.count_message_bytes();
    `)
  }
}

const QUEUES = `
  CREATE TABLE certkeep.message_queue (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,123}$'),
    owner_id uuid NOT NULL REFERENCES certkeep.principal (id),
    authenticate boolean NOT NULL,
    privacy text NOT NULL CHECK (privacy IN ('none', 'optional', 'body')),
    journaling boolean NOT NULL,
    -- Of what waits; of what is kept in the journal and among the dead letters.
    quota bigint NOT NULL CHECK (quota > 0),
    journal_quota bigint NOT NULL CHECK (journal_quota >= 0),
    waiting_bytes bigint NOT NULL DEFAULT 0,
    kept_bytes bigint NOT NULL DEFAULT 0,
    -- SubjectPublicKeyInfo. The private key is its receiver's, and nowhere here.
    encryption_key bytea,
    -- [{"sid": "S-1-…", "mask": 4}]; the owner has every right.
    access jsonb NOT NULL CHECK (jsonb_typeof(access) = 'array'),
    created_at timestamptz NOT NULL
  );
  CREATE UNIQUE INDEX message_queue_name ON certkeep.message_queue (lower(name));
  CREATE INDEX message_queue_owner ON certkeep.message_queue (owner_id);
`

const MESSAGES = `
  CREATE TABLE certkeep.message (
    -- The order of arrival.
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id uuid NOT NULL REFERENCES certkeep.message_queue (id) ON DELETE CASCADE,
    place text NOT NULL CHECK (place IN ('queue', 'journal', 'dead-letter')),
    class integer NOT NULL,
    message_id uuid NOT NULL,
    level text NOT NULL CHECK (level IN ('none', 'integrity', 'privacy')),
    -- Whose certificate verified; null where nobody's did, or only the receiver can open the message.
    sender_sid text,
    -- Who handed it in; null for an acknowledgement of the server.
    submitted_by uuid REFERENCES certkeep.principal (id),
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 7),
    -- As its sender made it: an encrypted body is encrypted here.
    envelope text NOT NULL,
    size integer NOT NULL GENERATED ALWAYS AS (octet_length(envelope)) STORED,
    arrived_at timestamptz NOT NULL,
    receive_before timestamptz,
    lease uuid,
    leased_until timestamptz
  );
  CREATE INDEX message_waiting ON certkeep.message (queue_id, priority DESC, id) WHERE place = 'queue';
  CREATE INDEX message_kept ON certkeep.message (queue_id, place, id) WHERE place <> 'queue';
  CREATE INDEX message_undelivered ON certkeep.message (submitted_by, id) WHERE place = 'dead-letter';
  CREATE INDEX message_end ON certkeep.message (receive_before) WHERE place = 'queue' AND receive_before IS NOT NULL;

  -- The ids that came in, as long as a message of that id could still arrive.
  CREATE TABLE certkeep.message_seen (
    queue_id uuid NOT NULL REFERENCES certkeep.message_queue (id) ON DELETE CASCADE,
    sender text NOT NULL,
    message_id uuid NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (queue_id, sender, message_id)
  );
  CREATE INDEX message_seen_end ON certkeep.message_seen (until);
`

/** The bytes of a queue follow from its messages, whoever adds, moves or removes them. */
const BYTES = `
  CREATE FUNCTION certkeep.count_message_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP <> 'INSERT' THEN
      UPDATE certkeep.message_queue SET
        waiting_bytes = waiting_bytes - CASE WHEN OLD.place = 'queue' THEN OLD.size ELSE 0 END,
        kept_bytes = kept_bytes - CASE WHEN OLD.place = 'queue' THEN 0 ELSE OLD.size END
      WHERE id = OLD.queue_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
      UPDATE certkeep.message_queue SET
        waiting_bytes = waiting_bytes + CASE WHEN NEW.place = 'queue' THEN NEW.size ELSE 0 END,
        kept_bytes = kept_bytes + CASE WHEN NEW.place = 'queue' THEN 0 ELSE NEW.size END
      WHERE id = NEW.queue_id;
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER count_message_bytes AFTER INSERT OR DELETE OR UPDATE OF place ON certkeep.message
    FOR EACH ROW EXECUTE FUNCTION certkeep.count_message_bytes();
`

const GRANTS = `
  GRANT SELECT, DELETE,
    INSERT (id, name, owner_id, authenticate, privacy, journaling, quota, journal_quota, encryption_key, access,
      created_at),
    UPDATE (authenticate, privacy, journaling, quota, journal_quota, encryption_key, access, waiting_bytes, kept_bytes)
    ON certkeep.message_queue TO certkeep_front;
  GRANT SELECT, DELETE,
    INSERT (queue_id, place, class, message_id, level, sender_sid, submitted_by, priority, envelope, arrived_at,
      receive_before),
    UPDATE (place, class, lease, leased_until) ON certkeep.message TO certkeep_front;
  GRANT SELECT, INSERT, DELETE ON certkeep.message_seen TO certkeep_front;
`
