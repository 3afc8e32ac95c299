import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Keys that were archived elsewhere and come in later, and certificates that were issued out of band. The archive seals
 * them in the step that seals those of enrollments; what that comes to is one function of the database, as no role may
 * change a sealed key.
 */
export class ImportArchivedKeys1795231201000 implements MigrationInterface {
  readonly name = 'ImportArchivedKeys1795231201000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(OUT_OF_BAND)
    await runner.query(FINISH)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.finish_key_import(uuid, text, integer, bytea, text, text, integer, text, integer[], timestamptz);
      DROP FUNCTION certkeep.request_of_key_import(certkeep.key_import, timestamptz);
      DROP TRIGGER request_starts_unresolved ON certkeep.request;
      CREATE TRIGGER request_starts_unresolved BEFORE INSERT ON certkeep.request FOR EACH ROW
        WHEN (NEW.state NOT IN ('received', 'denied', 'failed'))
        EXECUTE FUNCTION certkeep.refuse('a request starts as received, denied or failed');
      DROP TABLE certkeep.imported_certificate;
      DROP TABLE certkeep.key_import_envelope;
      DROP TABLE certkeep.key_import;
    `)
  }
}

const TABLES = `
  CREATE TABLE certkeep.key_import (
    id uuid PRIMARY KEY,
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    state text NOT NULL CHECK (state IN ('received', 'sealed', 'failed')),
    -- DER: whose key it is.
    certificate bytea NOT NULL,
    subject text NOT NULL,
    issuer bytea NOT NULL,
    serial_number bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    sha1 bytea NOT NULL CHECK (octet_length(sha1) = 20),
    public_key bytea NOT NULL,
    key_id bytea NOT NULL CHECK (octet_length(key_id) = 20),
    -- Whether no key of the CA has signed the certificate.
    is_foreign boolean NOT NULL,
    -- The version whose archival settings the key is sealed by.
    template_id integer NOT NULL REFERENCES certkeep.template (id),
    -- Whether it may take the place of a key that is archived already.
    replaces boolean NOT NULL,
    -- Whose certificate it is, for one that this server did not issue.
    owner_id uuid REFERENCES certkeep.principal (id),
    owner_name text NOT NULL,
    imported_by text NOT NULL CHECK (imported_by <> ''),
    received_at timestamptz NOT NULL,
    lease_until timestamptz,
    -- Once it is sealed, and when its request is known at a failure.
    request_id integer REFERENCES certkeep.request (id),
    resolved_at timestamptz,
    failure_code text,
    failure_message text,
    CONSTRAINT key_import_resolved_has_time CHECK ((state = 'received') = (resolved_at IS NULL)),
    CONSTRAINT key_import_failed_has_reason CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT key_import_sealed_has_request CHECK (state <> 'sealed' OR request_id IS NOT NULL)
  );
  ALTER TABLE certkeep.key_import ALTER certificate SET STORAGE EXTERNAL;
  CREATE INDEX key_import_to_seal ON certkeep.key_import (received_at) WHERE state = 'received';
  CREATE TRIGGER key_import_moves_once BEFORE UPDATE ON certkeep.key_import FOR EACH ROW
    WHEN (OLD.state <> 'received')
    EXECUTE FUNCTION certkeep.refuse('the import of a key has one outcome');

  -- The key wrapped to an exchange key, until it is sealed or refused.
  CREATE TABLE certkeep.key_import_envelope (
    import_id uuid PRIMARY KEY REFERENCES certkeep.key_import (id),
    envelope bytea NOT NULL
  );
  ALTER TABLE certkeep.key_import_envelope ALTER envelope SET STORAGE EXTERNAL;

  -- What was issued out of band has a request of its own and is in no ledger, CRL or OCSP answer.
  CREATE TABLE certkeep.imported_certificate (
    request_id integer PRIMARY KEY REFERENCES certkeep.request (id),
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    certificate bytea NOT NULL,
    subject text NOT NULL,
    issuer bytea NOT NULL,
    serial_number bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    sha1 bytea NOT NULL CHECK (octet_length(sha1) = 20),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    key_id bytea NOT NULL CHECK (octet_length(key_id) = 20),
    principal_id uuid,
    is_foreign boolean NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL,
    UNIQUE (ca_id, sha256)
  );
  ALTER TABLE certkeep.imported_certificate ALTER certificate SET STORAGE EXTERNAL;
  CREATE INDEX imported_certificate_serial ON certkeep.imported_certificate (serial_number);
  CREATE INDEX imported_certificate_sha1 ON certkeep.imported_certificate (sha1);
  CREATE INDEX imported_certificate_not_after ON certkeep.imported_certificate (not_after);
`

/** No process role may fill the column out_of_band by an insertion: only the function below does. */
const OUT_OF_BAND = `
  DROP TRIGGER request_starts_unresolved ON certkeep.request;
  CREATE TRIGGER request_starts_unresolved BEFORE INSERT ON certkeep.request FOR EACH ROW
    WHEN (NEW.state NOT IN ('received', 'denied', 'failed') AND NOT NEW.out_of_band)
    EXECUTE FUNCTION certkeep.refuse('a request starts as received, denied or failed');
`

const FINISH = `
  -- The request of the certificate: the one it was issued by, else one of its own (MS-CSRA 3.1.4.1.8, ImportCertificate).
  CREATE FUNCTION certkeep.request_of_key_import(of_import certkeep.key_import, at_time timestamptz) RETURNS integer
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    fingerprint bytea := sha256(of_import.certificate);
    found integer;
  BEGIN
    SELECT c.request_id INTO found FROM certkeep.certificate AS c
      WHERE c.sha256 = fingerprint AND c.state = 'issued' AND c.ca_id = of_import.ca_id;
    IF found IS NOT NULL THEN RETURN found; END IF;
    -- Two imports of one certificate at a time come one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(fingerprint, 'hex'), of_import.ca_id));
    SELECT m.request_id INTO found FROM certkeep.imported_certificate AS m
      WHERE m.ca_id = of_import.ca_id AND m.sha256 = fingerprint;
    IF found IS NOT NULL THEN RETURN found; END IF;
    INSERT INTO certkeep.request (ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags,
        row_flags, requester_id, requester_name, subject, public_key, key_id, template_id, template_name, archival,
        carries_key, body_part_id, out_of_band, submitted_at, resolved_at, disposition_message, responded_state)
      SELECT of_import.ca_id, 'issued', 'pkcs10', 'microsoft', ''::bytea, fingerprint, '', 0, 0, of_import.owner_id,
        of_import.owner_name, of_import.subject, of_import.public_key, of_import.key_id, t.id, t.name, t.archival,
        true, 0, true, of_import.received_at, at_time,
        CASE WHEN of_import.is_foreign THEN 'Issued out of band (foreign)' ELSE 'Issued out of band' END, 'issued'
      FROM certkeep.template AS t WHERE t.id = of_import.template_id
      RETURNING id INTO found;
    INSERT INTO certkeep.imported_certificate (request_id, ca_id, certificate, subject, issuer, serial_number, not_before,
        not_after, sha1, sha256, key_id, principal_id, is_foreign, imported_by, imported_at)
      VALUES (found, of_import.ca_id, of_import.certificate, of_import.subject, of_import.issuer,
        of_import.serial_number, of_import.not_before, of_import.not_after,
        of_import.sha1, fingerprint, of_import.key_id,
        of_import.owner_id, of_import.is_foreign, of_import.imported_by, at_time);
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, of_import.imported_by, 'request.imported', 'request', found::text, 'success', jsonb_build_object(
        'from', 'received', 'to', 'issued', 'foreign', of_import.is_foreign,
        'serialNumber', encode(of_import.serial_number, 'hex')));
    RETURN found;
  END $$;
  REVOKE ALL ON FUNCTION certkeep.request_of_key_import(certkeep.key_import, timestamptz) FROM PUBLIC;

  -- One outcome of an import: the key in the archive, the envelope gone. What stands against it is the outcome too.
  CREATE FUNCTION certkeep.finish_key_import(
    of_import uuid, with_mode text, with_quorum integer, with_sealed bytea, with_format text, with_algorithm text,
    with_bits integer, with_encryption text, with_agents integer[], at_time timestamptz
  ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    import certkeep.key_import;
    its_request integer;
    is_there boolean;
    was_purged boolean;
    refused text;
  BEGIN
    SELECT * INTO import FROM certkeep.key_import WHERE id = of_import AND state = 'received' FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'gone'; END IF;
    its_request := certkeep.request_of_key_import(import, at_time);
    SELECT true, s.purged_at IS NOT NULL INTO is_there, was_purged FROM certkeep.sealed_key AS s
      WHERE s.request_id = its_request FOR UPDATE;
    IF is_there AND NOT import.replaces THEN
      refused := CASE WHEN was_purged
        THEN 'The key of this certificate was purged from the archive. Import it with the flag that lets it be replaced.'
        ELSE 'The key of this certificate is archived already. Import it with the flag that lets it be replaced.' END;
      UPDATE certkeep.key_import SET state = 'failed', request_id = its_request, resolved_at = at_time,
        failure_code = 'archived_key_exists', failure_message = refused WHERE id = of_import;
      DELETE FROM certkeep.key_import_envelope WHERE import_id = of_import;
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
        VALUES (at_time, import.imported_by, 'key_import.failed', 'key_import', of_import::text, 'failed',
          jsonb_build_object('requestId', its_request, 'code', 'archived_key_exists'));
      RETURN 'exists';
    END IF;
    IF is_there THEN
      UPDATE certkeep.sealed_key SET mode = with_mode, quorum = with_quorum, sealed = with_sealed,
        key_format = with_format, algorithm = with_algorithm, bits = with_bits, content_encryption = with_encryption,
        sealed_at = at_time, agent_ids = with_agents, purged_at = NULL WHERE request_id = its_request;
      DELETE FROM certkeep.sealed_key_agent WHERE request_id = its_request;
    ELSE
      INSERT INTO certkeep.sealed_key (request_id, mode, quorum, sealed, key_format, algorithm, bits, content_encryption,
          sealed_at, agent_ids)
        VALUES (its_request, with_mode, with_quorum, with_sealed, with_format, with_algorithm, with_bits,
          with_encryption, at_time, with_agents);
    END IF;
    INSERT INTO certkeep.sealed_key_agent (request_id, agent_id) SELECT its_request, unnest(with_agents);
    UPDATE certkeep.key_import SET state = 'sealed', request_id = its_request, resolved_at = at_time WHERE id = of_import;
    DELETE FROM certkeep.key_import_envelope WHERE import_id = of_import;
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, import.imported_by, 'sealed_key.imported', 'sealed_key', its_request::text, 'success',
        jsonb_build_object('import', of_import, 'replaced', coalesce(is_there, false), 'mode', with_mode,
          'agents', cardinality(with_agents), 'foreign', import.is_foreign));
    RETURN 'sealed';
  END $$;
  REVOKE ALL ON FUNCTION certkeep.finish_key_import(
    uuid, text, integer, bytea, text, text, integer, text, integer[], timestamptz) FROM PUBLIC;
`

/** The console hands in, and reads what became of it; the archive seals or refuses. */
const GRANTS = `
  GRANT SELECT (id, ca_id, state, subject, serial_number, is_foreign, template_id, replaces, owner_name, imported_by,
      received_at, request_id, resolved_at, failure_code, failure_message),
    INSERT (id, ca_id, state, certificate, subject, issuer, serial_number, not_before, not_after, sha1, public_key, key_id,
      is_foreign, template_id, replaces, owner_id, owner_name, imported_by, received_at)
    ON certkeep.key_import TO certkeep_console;
  GRANT INSERT ON certkeep.key_import_envelope TO certkeep_console;
  GRANT SELECT ON certkeep.imported_certificate TO certkeep_console;
  GRANT SELECT, UPDATE (state, lease_until, request_id, resolved_at, failure_code, failure_message)
    ON certkeep.key_import TO certkeep_archive;
  GRANT SELECT, DELETE ON certkeep.key_import_envelope TO certkeep_archive;
  GRANT EXECUTE ON FUNCTION certkeep.finish_key_import TO certkeep_archive;
`
