import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The certificates whose keys are in the archive, those that were issued elsewhere too; nothing of the keys themselves. */
export class ListArchivedCertificates1795231290000 implements MigrationInterface {
  readonly name = 'ListArchivedCertificates1795231290000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The view's owner reads the sealed keys; whoever reads the view learns that there is one.
      CREATE VIEW certkeep.archived_certificate AS
        SELECT c.request_id, c.ca_id, c.serial_number, c.certificate, c.subject, c.template_name, c.not_before,
          c.not_after, c.sha1, c.sha256, c.principal_id, c.revoked_at, c.revocation_reason
        FROM certkeep.certificate AS c JOIN certkeep.sealed_key AS s ON s.request_id = c.request_id
        WHERE c.state = 'issued' AND s.purged_at IS NULL
        UNION ALL
        SELECT m.request_id, m.ca_id, m.serial_number, m.certificate, m.subject, r.template_name, m.not_before,
          m.not_after, m.sha1, m.sha256, m.principal_id, NULL, NULL
        FROM certkeep.imported_certificate AS m JOIN certkeep.sealed_key AS s ON s.request_id = m.request_id
        JOIN certkeep.request AS r ON r.id = m.request_id
        WHERE s.purged_at IS NULL;
      GRANT SELECT ON certkeep.archived_certificate TO certkeep_console, certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW certkeep.archived_certificate')
  }
}
