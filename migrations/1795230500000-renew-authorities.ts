import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What the renewal of a CA leaves behind: the certificates that it signs for itself, and which key signed what. */
export class RenewAuthorities1795230500000 implements MigrationInterface {
  readonly name = 'RenewAuthorities1795230500000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Renewed root certificates (issuer_index = subject_index) and cross certificates between two keys of a root.
      CREATE TABLE certkeep.self_issued_certificate (
        ca_id integer NOT NULL,
        serial_number bytea NOT NULL CHECK (octet_length(serial_number) BETWEEN 1 AND 20),
        issuer_index integer NOT NULL,
        subject_index integer NOT NULL,
        state text NOT NULL CHECK (state IN ('reserved', 'issued', 'abandoned')),
        tbs bytea NOT NULL,
        certificate bytea,
        not_after timestamptz NOT NULL,
        reserved_at timestamptz NOT NULL,
        PRIMARY KEY (ca_id, serial_number),
        FOREIGN KEY (ca_id, issuer_index) REFERENCES certkeep.ca_certificate (ca_id, cert_index),
        FOREIGN KEY (ca_id, subject_index) REFERENCES certkeep.ca_certificate (ca_id, cert_index),
        CONSTRAINT self_issued_certificate_complete CHECK ((state = 'issued') = (certificate IS NOT NULL))
      );
      CREATE UNIQUE INDEX self_issued_certificate_once ON certkeep.self_issued_certificate
        (ca_id, issuer_index, subject_index) WHERE state <> 'abandoned';

      CREATE TRIGGER self_issued_certificate_moves_legally BEFORE UPDATE ON certkeep.self_issued_certificate FOR EACH ROW
        WHEN (OLD.state <> 'reserved')
        EXECUTE FUNCTION certkeep.refuse('only a reserved serial number is issued or abandoned');
      CREATE TRIGGER self_issued_certificate_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.self_issued_certificate
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a serial number is never forgotten');

      -- What a CA has been certified as stays; only a request that nobody has answered may be taken back.
      CREATE TRIGGER ca_certificate_is_kept BEFORE DELETE ON certkeep.ca_certificate FOR EACH ROW
        WHEN (OLD.certificate IS NOT NULL)
        EXECUTE FUNCTION certkeep.refuse('the certificate of a CA is never deleted');

      ALTER TABLE certkeep.exchange_key ADD COLUMN ca_key_index integer CHECK (ca_key_index >= 0);
      UPDATE certkeep.exchange_key AS k SET ca_key_index = a.key_index
      FROM certkeep.certificate AS c
      JOIN certkeep.ca_certificate AS a ON a.ca_id = c.ca_id AND a.cert_index = c.cert_index
      WHERE c.request_id = k.request_id AND c.state = 'issued' AND NOT k.imported;

      GRANT SELECT ON certkeep.self_issued_certificate TO certkeep_front, certkeep_authority;
      GRANT UPDATE (ca_key_index) ON certkeep.exchange_key TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.exchange_key DROP COLUMN ca_key_index;
      DROP TRIGGER ca_certificate_is_kept ON certkeep.ca_certificate;
      DROP TABLE certkeep.self_issued_certificate;
    `)
  }
}
