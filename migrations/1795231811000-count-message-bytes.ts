import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Counts the bytes of what a statement adds or removes once, and not once for each message: a batch would leave as many
 * dead versions of its queue's row.
 */
export class CountMessageBytes1795231811000 implements MigrationInterface {
  readonly name = 'CountMessageBytes1795231811000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION certkeep.count_bytes_of_messages() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
      BEGIN
        UPDATE certkeep.message_queue AS q SET
          waiting_bytes = q.waiting_bytes + sign * c.waiting, kept_bytes = q.kept_bytes + sign * c.kept
        FROM (
          SELECT queue_id, coalesce(sum(size) FILTER (WHERE place = 'queue'), 0) AS waiting,
            coalesce(sum(size) FILTER (WHERE place <> 'queue'), 0) AS kept
          FROM changed GROUP BY queue_id
        ) AS c
        WHERE q.id = c.queue_id;
        RETURN NULL;
      END $$;
      DROP TRIGGER count_message_bytes ON certkeep.message;
      CREATE TRIGGER count_message_bytes AFTER UPDATE OF place ON certkeep.message
        FOR EACH ROW EXECUTE FUNCTION certkeep.count_message_bytes();
      CREATE TRIGGER count_added_messages AFTER INSERT ON certkeep.message REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.count_bytes_of_messages();
      CREATE TRIGGER count_removed_messages AFTER DELETE ON certkeep.message REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.count_bytes_of_messages();
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER count_removed_messages ON certkeep.message;
      DROP TRIGGER count_added_messages ON certkeep.message;
      DROP TRIGGER count_message_bytes ON certkeep.message;
      CREATE TRIGGER count_message_bytes AFTER INSERT OR DELETE OR UPDATE OF place ON certkeep.message
        FOR EACH ROW EXECUTE FUNCTION certkeep.count_message_bytes();
      DROP FUNCTION certkeep.count_bytes_of_messages();
    `)
  }
}
