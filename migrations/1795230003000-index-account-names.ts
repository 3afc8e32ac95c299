import type { MigrationInterface, QueryRunner } from 'typeorm'

/** People name an account without its domain where that is enough. */
export class IndexAccountNames1795230003000 implements MigrationInterface {
  readonly name = 'IndexAccountNames1795230003000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX principal_account_name ON certkeep.principal (lower(account_name))')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX certkeep.principal_account_name')
  }
}
