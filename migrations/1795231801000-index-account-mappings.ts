import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Finding accounts by what certificates are mapped to them with, whatever the case. */
export class IndexAccountMappings1795231801000 implements MigrationInterface {
  readonly name = 'IndexAccountMappings1795231801000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION certkeep.lowered(text[]) RETURNS text[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (SELECT coalesce(array_agg(lower(value) ORDER BY value), '{}') FROM unnest($1) AS value);
      CREATE INDEX principal_service_names_lowered ON certkeep.principal
        USING gin (certkeep.lowered(service_principal_names));
      CREATE INDEX principal_alt_identities_lowered ON certkeep.principal
        USING gin (certkeep.lowered(alt_security_identities));
      CREATE INDEX principal_distinguished_name ON certkeep.principal (lower(distinguished_name));
      DROP INDEX certkeep.principal_service_names;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX principal_service_names ON certkeep.principal USING gin (service_principal_names);
      DROP INDEX certkeep.principal_distinguished_name;
      DROP INDEX certkeep.principal_alt_identities_lowered;
      DROP INDEX certkeep.principal_service_names_lowered;
      DROP FUNCTION certkeep.lowered(text[]);
    `)
  }
}
