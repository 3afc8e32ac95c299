import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Certificates of accounts that come from another directory: userCertificate and mSMQSignCertificates of an import. */
export class TakeForeignCertificates1795231802000 implements MigrationInterface {
  readonly name = 'TakeForeignCertificates1795231802000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.foreign_certificate (
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        sha256 bytea NOT NULL GENERATED ALWAYS AS (sha256(certificate)) STORED,
        certificate bytea NOT NULL,
        not_before timestamptz NOT NULL,
        not_after timestamptz NOT NULL,
        imported_at timestamptz NOT NULL,
        PRIMARY KEY (principal_id, sha256)
      );
      GRANT SELECT ON certkeep.foreign_certificate TO certkeep_front, certkeep_console;
      GRANT INSERT (principal_id, certificate, not_before, not_after, imported_at) ON certkeep.foreign_certificate
        TO certkeep_console;
      GRANT INSERT (identifier, principal_id, kind, machine_id, certificate, subject, not_before, not_after,
        registered_at) ON certkeep.registered_certificate TO certkeep_console;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE INSERT (identifier, principal_id, kind, machine_id, certificate, subject, not_before, not_after,
        registered_at) ON certkeep.registered_certificate FROM certkeep_console;
      DROP TABLE certkeep.foreign_certificate;
    `)
  }
}
