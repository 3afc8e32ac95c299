import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Who submitted a request for another: the enrollment agent. The requester of such a row is the account that the
 * certificate is for, so that everything which goes by the requester stays as it is.
 */
export class AddCallers1795230300000 implements MigrationInterface {
  readonly name = 'AddCallers1795230300000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.request
        ADD COLUMN caller_id uuid,
        ADD COLUMN caller_name text;
      CREATE INDEX request_of_caller ON certkeep.request (ca_id, caller_id, id DESC) WHERE caller_id IS NOT NULL;
      CREATE INDEX request_failed_of_caller ON certkeep.request (caller_id, submitted_at)
        WHERE state = 'failed' AND caller_id IS NOT NULL;
      GRANT INSERT (caller_id, caller_name) ON certkeep.request TO certkeep_front, certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.request_failed_of_caller;
      DROP INDEX certkeep.request_of_caller;
      ALTER TABLE certkeep.request DROP COLUMN caller_name, DROP COLUMN caller_id;
    `)
  }
}
