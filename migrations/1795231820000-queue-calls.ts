import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Endpoints of queued calls: queues that end with their server, queues of the server itself, and how often is delivered. */
export class QueueCalls1795231820000 implements MigrationInterface {
  readonly name = 'QueueCalls1795231820000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.message_queue
        -- Null for a queue of the server itself.
        ALTER COLUMN owner_id DROP NOT NULL,
        -- Of a temporary queue: how long its receiver may be silent, and until when it is there.
        ADD COLUMN alive_seconds integer CHECK (alive_seconds > 0),
        ADD COLUMN temporary_until timestamptz,
        -- Of a queue of the server: names the private key in the key store of the front.
        ADD COLUMN key_reference text,
        ADD CHECK ((alive_seconds IS NULL) = (temporary_until IS NULL)),
        ADD CHECK ((owner_id IS NULL) = (key_reference IS NOT NULL));
      CREATE INDEX message_queue_end ON certkeep.message_queue (temporary_until) WHERE temporary_until IS NOT NULL;

      ALTER TABLE certkeep.message ADD COLUMN deliveries integer NOT NULL DEFAULT 0;

      GRANT INSERT (alive_seconds, temporary_until, key_reference), UPDATE (temporary_until)
        ON certkeep.message_queue TO certkeep_front;
      GRANT UPDATE (deliveries) ON certkeep.message TO certkeep_front;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.message DROP COLUMN deliveries;
      DELETE FROM certkeep.message_queue WHERE owner_id IS NULL;
      ALTER TABLE certkeep.message_queue DROP COLUMN alive_seconds, DROP COLUMN temporary_until,
        DROP COLUMN key_reference, ALTER COLUMN owner_id SET NOT NULL;
    `)
  }
}
