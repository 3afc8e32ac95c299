import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Where a management point keeps its key, and what the front found out of a message's certificate. */
export class CompleteRegistrations1795231401000 implements MigrationInterface {
  readonly name = 'CompleteRegistrations1795231401000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.management_point ADD COLUMN key_reference text NOT NULL;
      -- Whether the signing certificate chains to a CA that the site trusts and is not revoked.
      ALTER TABLE certkeep.registration_message ADD COLUMN is_certified boolean NOT NULL DEFAULT false;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.registration_message DROP COLUMN is_certified;
      ALTER TABLE certkeep.management_point DROP COLUMN key_reference;
    `)
  }
}
