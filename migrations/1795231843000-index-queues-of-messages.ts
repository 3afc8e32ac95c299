import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * A queue is removed, and the ids that came to it are forgotten, without a look at the messages of others: the foreign
 * key asks for every message of the queue, wherever it is.
 */
export class IndexQueuesOfMessages1795231843000 implements MigrationInterface {
  readonly name = 'IndexQueuesOfMessages1795231843000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.message_kept;
      CREATE INDEX message_of_queue ON certkeep.message (queue_id, place, id);
      DROP INDEX certkeep.message_seen_end;
      CREATE INDEX message_seen_end ON certkeep.message_seen (queue_id, until);
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.message_seen_end;
      CREATE INDEX message_seen_end ON certkeep.message_seen (until);
      DROP INDEX certkeep.message_of_queue;
      CREATE INDEX message_kept ON certkeep.message (queue_id, place, id) WHERE place <> 'queue';
    `)
  }
}
