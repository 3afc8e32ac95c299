import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Tells every role that goes by recovery agents whether the certificate of one is revoked, and nothing else of it. */
export class SealToNoRevokedAgents1795231870000 implements MigrationInterface {
  readonly name = 'SealToNoRevokedAgents1795231870000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION certkeep.is_certificate_revoked(of_sha256 bytea) RETURNS boolean
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (
          SELECT FROM certkeep.certificate WHERE sha256 = of_sha256 AND state = 'issued' AND revoked_at IS NOT NULL)
      $$;
      REVOKE EXECUTE ON FUNCTION certkeep.is_certificate_revoked(bytea) FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION certkeep.is_certificate_revoked(bytea)
        TO certkeep_archive, certkeep_authority, certkeep_front, certkeep_console;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION certkeep.is_certificate_revoked(bytea)')
  }
}
