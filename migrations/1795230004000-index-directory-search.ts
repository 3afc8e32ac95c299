import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Finding accounts by how a name begins, and by a group that they are in, however many there are. */
export class IndexDirectorySearch1795230004000 implements MigrationInterface {
  readonly name = 'IndexDirectorySearch1795230004000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The order of bytes: only in that order is what begins with a text a range.
      CREATE INDEX principal_begins_account ON certkeep.principal (lower(account_name) COLLATE "C");
      CREATE INDEX principal_begins_upn ON certkeep.principal (lower(upn) COLLATE "C");
      CREATE INDEX principal_begins_mail ON certkeep.principal (lower(mail) COLLATE "C");
      CREATE INDEX principal_begins_dns ON certkeep.principal (lower(dns_name) COLLATE "C");
      CREATE INDEX principal_in_groups ON certkeep.principal USING gin (group_names);
      CREATE INDEX principal_of_kind ON certkeep.principal (kind, id);
      CREATE INDEX principal_disabled ON certkeep.principal (id) WHERE disabled_at IS NOT NULL;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.principal_begins_account;
      DROP INDEX certkeep.principal_begins_upn;
      DROP INDEX certkeep.principal_begins_mail;
      DROP INDEX certkeep.principal_begins_dns;
      DROP INDEX certkeep.principal_in_groups;
      DROP INDEX certkeep.principal_of_kind;
      DROP INDEX certkeep.principal_disabled;
    `)
  }
}
