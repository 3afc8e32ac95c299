import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The ledger of serial numbers and certificates, and the signed responses. */
export class CreateCertificates1795219205000 implements MigrationInterface {
  readonly name = 'CreateCertificates1795219205000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.certificate (
        ca_id integer NOT NULL,
        serial_number bytea NOT NULL CHECK (octet_length(serial_number) BETWEEN 1 AND 20),
        cert_index integer NOT NULL,
        request_id integer NOT NULL,
        state text NOT NULL CHECK (state IN ('reserved', 'issued', 'abandoned')),
        archival boolean NOT NULL,
        sealed_key_request_id integer REFERENCES certkeep.sealed_key (request_id),
        tbs bytea NOT NULL,
        certificate bytea,
        subject text NOT NULL,
        not_before timestamptz NOT NULL,
        not_after timestamptz NOT NULL,
        sha1 bytea CHECK (octet_length(sha1) = 20),
        sha256 bytea CHECK (octet_length(sha256) = 32),
        key_id bytea NOT NULL CHECK (octet_length(key_id) = 20),
        principal_id uuid,
        reserved_at timestamptz NOT NULL,
        issued_at timestamptz,
        revoked_at timestamptz,
        revocation_reason integer CHECK (revocation_reason BETWEEN 0 AND 10 AND revocation_reason <> 7),
        PRIMARY KEY (ca_id, serial_number),
        FOREIGN KEY (ca_id, cert_index) REFERENCES certkeep.ca_certificate (ca_id, cert_index),
        -- With the foreign key of the request to its template: archival is what the template says.
        FOREIGN KEY (request_id, archival) REFERENCES certkeep.request (id, archival),
        CONSTRAINT certificate_issued_is_complete CHECK (
          (state = 'issued' AND num_nulls(certificate, sha1, sha256, issued_at) = 0)
          OR (state <> 'issued' AND num_nulls(certificate, sha1, sha256, issued_at) = 4)
        ),
        -- IS NOT DISTINCT FROM, since a comparison with null would let the row pass.
        CONSTRAINT certificate_archival_has_sealed_key CHECK (
          NOT archival OR state <> 'issued' OR sealed_key_request_id IS NOT DISTINCT FROM request_id
        ),
        CONSTRAINT certificate_sealed_key_is_its_own CHECK (
          sealed_key_request_id IS NULL OR (archival AND sealed_key_request_id = request_id)
        ),
        CONSTRAINT certificate_revoked_was_issued CHECK (
          (revoked_at IS NULL) = (revocation_reason IS NULL) AND (revoked_at IS NULL OR state = 'issued')
        )
      );
      ALTER TABLE certkeep.certificate ALTER tbs SET STORAGE EXTERNAL, ALTER certificate SET STORAGE EXTERNAL;

      CREATE UNIQUE INDEX certificate_issued_for_request ON certkeep.certificate (request_id) WHERE state = 'issued';
      CREATE UNIQUE INDEX certificate_reserved_for_request ON certkeep.certificate (request_id) WHERE state = 'reserved';
      CREATE UNIQUE INDEX certificate_sha256 ON certkeep.certificate (sha256) WHERE state = 'issued';
      CREATE INDEX certificate_of_sealed_key ON certkeep.certificate (sealed_key_request_id)
        WHERE sealed_key_request_id IS NOT NULL;
      CREATE INDEX certificate_sha1 ON certkeep.certificate (sha1) WHERE state = 'issued';
      CREATE INDEX certificate_of_key ON certkeep.certificate (key_id, principal_id) WHERE state = 'issued';
      CREATE INDEX certificate_of_principal ON certkeep.certificate (principal_id) WHERE state = 'issued';
      CREATE INDEX certificate_not_after ON certkeep.certificate (not_after) WHERE state = 'issued';
      CREATE INDEX certificate_for_crl ON certkeep.certificate (ca_id, cert_index, serial_number)
        WHERE revoked_at IS NOT NULL OR state = 'abandoned';

      -- A serial number is for one request and one TBS for good; what was issued stays issued.
      CREATE TRIGGER certificate_moves_legally BEFORE UPDATE OF state ON certkeep.certificate FOR EACH ROW
        WHEN (NEW.state <> OLD.state AND OLD.state <> 'reserved')
        EXECUTE FUNCTION certkeep.refuse('only a reserved serial number is issued or abandoned');

      CREATE TABLE certkeep.response (
        request_id integer PRIMARY KEY,
        state certkeep.request_state NOT NULL,
        full_response bytea NOT NULL,
        created_at timestamptz NOT NULL
      );
      ALTER TABLE certkeep.response ALTER full_response SET STORAGE EXTERNAL;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.response;
      DROP TABLE certkeep.certificate;
    `)
  }
}
