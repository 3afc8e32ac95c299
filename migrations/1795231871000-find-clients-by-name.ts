import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Finds clients by the beginning of a name, and lets the authority see until when a recovery can be fetched. */
export class FindClientsByName1795231871000 implements MigrationInterface {
  readonly name = 'FindClientsByName1795231871000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX registration_netbios_name ON certkeep.registration (lower(netbios_name) text_pattern_ops);
      CREATE INDEX registration_fqdn ON certkeep.registration (lower(fqdn) text_pattern_ops);
      GRANT SELECT (release_until) ON certkeep.recovery TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE SELECT (release_until) ON certkeep.recovery FROM certkeep_authority;
      DROP INDEX certkeep.registration_fqdn;
      DROP INDEX certkeep.registration_netbios_name;
    `)
  }
}
