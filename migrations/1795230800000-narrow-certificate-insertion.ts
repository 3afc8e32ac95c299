import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Whoever signs reserves a serial number first: the columns that only a certificate has cannot be filled by an insertion,
 * so that the ledger has none whose reservation was not committed and whose request was not looked at.
 */
export class NarrowCertificateInsertion1795230800000 implements MigrationInterface {
  readonly name = 'NarrowCertificateInsertion1795230800000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE INSERT ON certkeep.certificate FROM certkeep_authority;
      GRANT INSERT (ca_id, serial_number, cert_index, request_id, state, archival, sealed_key_request_id, tbs, subject,
        not_before, not_after, key_id, principal_id, reserved_at, template_name) ON certkeep.certificate
        TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('GRANT INSERT ON certkeep.certificate TO certkeep_authority')
  }
}
