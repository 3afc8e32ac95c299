import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * The changes of status of one key of a CA, without a look at those of its other keys; and the CRLs whose bytes are kept,
 * without a look at all that ever were.
 */
export class IndexChangesOfKeys1795230801000 implements MigrationInterface {
  readonly name = 'IndexChangesOfKeys1795230801000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.certificate_changed;
      CREATE INDEX certificate_changed ON certkeep.certificate (ca_id, cert_index, status_change, serial_number)
        WHERE status_change IS NOT NULL;
      CREATE INDEX crl_kept ON certkeep.crl (ca_id, key_index, kind, number) WHERE crl IS NOT NULL;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.crl_kept;
      DROP INDEX certkeep.certificate_changed;
      CREATE INDEX certificate_changed ON certkeep.certificate (ca_id, status_change, serial_number)
        WHERE status_change IS NOT NULL;
    `)
  }
}
