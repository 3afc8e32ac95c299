import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What senders keep of what they have sent (PROPID_M_JOURNAL, MQMSG_JOURNAL): copies that arrived, apart from queues. */
export class KeepSentMessages1795231812000 implements MigrationInterface {
  readonly name = 'KeepSentMessages1795231812000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.sent_message (
        -- The order of arrival.
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        -- Who handed it in.
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        queue_name text NOT NULL,
        message_id uuid NOT NULL,
        level text NOT NULL CHECK (level IN ('none', 'integrity', 'privacy')),
        -- As its sender made it.
        envelope text NOT NULL,
        size integer NOT NULL GENERATED ALWAYS AS (octet_length(envelope)) STORED,
        sent_at timestamptz NOT NULL
      );
      CREATE INDEX sent_message_of_principal ON certkeep.sent_message (principal_id, id) INCLUDE (size);
      GRANT SELECT, DELETE, INSERT (principal_id, queue_name, message_id, level, envelope, sent_at)
        ON certkeep.sent_message TO certkeep_front;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE certkeep.sent_message')
  }
}
