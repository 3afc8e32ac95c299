import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What a reseal has of a key goes with the key. */
export class PurgeResealedKeys1795231204000 implements MigrationInterface {
  readonly name = 'PurgeResealedKeys1795231204000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER reseal_key_is_guarded ON certkeep.reseal_key;
      CREATE TRIGGER reseal_key_is_guarded BEFORE UPDATE ON certkeep.reseal_key FOR EACH ROW
        WHEN (certkeep.is_purging() IS NOT TRUE) EXECUTE FUNCTION certkeep.guard_reseal_key();

      CREATE FUNCTION certkeep.forget_reseals_of_key() RETURNS trigger LANGUAGE plpgsql
      SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        DELETE FROM certkeep.resealed_key WHERE request_id = NEW.request_id;
        PERFORM set_config('certkeep.purging', 'on', true);
        UPDATE certkeep.reseal_key SET state = 'skipped', held = NULL, binding = NULL, part = NULL,
          failure = 'The key was purged.', moved_at = NEW.purged_at
          WHERE request_id = NEW.request_id AND state <> 'done';
        PERFORM set_config('certkeep.purging', 'off', true);
        RETURN NULL;
      END $$;
      CREATE TRIGGER sealed_key_purged_is_forgotten AFTER UPDATE OF purged_at ON certkeep.sealed_key FOR EACH ROW
        WHEN (NEW.purged_at IS NOT NULL AND OLD.purged_at IS NULL)
        EXECUTE FUNCTION certkeep.forget_reseals_of_key();
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER sealed_key_purged_is_forgotten ON certkeep.sealed_key;
      DROP FUNCTION certkeep.forget_reseals_of_key();
      DROP TRIGGER reseal_key_is_guarded ON certkeep.reseal_key;
      CREATE TRIGGER reseal_key_is_guarded BEFORE UPDATE ON certkeep.reseal_key FOR EACH ROW
        EXECUTE FUNCTION certkeep.guard_reseal_key();
    `)
  }
}
