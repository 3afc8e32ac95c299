import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * The certificates that are registered for accounts (MS-MQDS, User objects), what the machines of an account keep of
 * their internal ones, and the attributes of an account that certificates are mapped by.
 */
export class RegisterCertificates1795231600000 implements MigrationInterface {
  readonly name = 'RegisterCertificates1795231600000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ATTRIBUTES)
    await runner.query(REGISTERED)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.registration_nonce;
      DROP TABLE certkeep.internal_certificate;
      DROP TABLE certkeep.registered_certificate;
      DROP TABLE certkeep.certificate_list;
      DROP INDEX certkeep.principal_guid;
      DROP INDEX certkeep.principal_service_names;
      ALTER TABLE certkeep.principal DROP guid, DROP service_principal_names, DROP alt_security_identities;
    `)
  }
}

const ATTRIBUTES = `
  ALTER TABLE certkeep.principal
    -- objectGUID of an account that comes from another directory; where there is none, the id is it.
    ADD guid uuid,
    ADD service_principal_names text[] NOT NULL DEFAULT '{}',
    ADD alt_security_identities text[] NOT NULL DEFAULT '{}';
  CREATE UNIQUE INDEX principal_guid ON certkeep.principal (guid) WHERE guid IS NOT NULL;
  CREATE INDEX principal_service_names ON certkeep.principal USING gin (service_principal_names);
`

const REGISTERED = `
  -- One row for each account that has registered: whoever changes its certificates locks it, and its version rises.
  CREATE TABLE certkeep.certificate_list (
    principal_id uuid PRIMARY KEY REFERENCES certkeep.principal (id),
    version bigint NOT NULL DEFAULT 0
  );

  -- mSMQSignCertificates and mSMQDigests in one: the digest follows from the certificate, so that the two attributes
  -- can never disagree. Of a key only the public half is here.
  CREATE TABLE certkeep.registered_certificate (
    identifier uuid PRIMARY KEY,
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    -- The order of registration, which is that of both attributes.
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind text NOT NULL CHECK (kind IN ('internal', 'external')),
    machine_id uuid,
    certificate bytea NOT NULL,
    -- MD5 finds, it never decides.
    digest bytea NOT NULL GENERATED ALWAYS AS (decode(md5(certificate), 'hex')) STORED,
    sha256 bytea NOT NULL GENERATED ALWAYS AS (sha256(certificate)) STORED,
    subject text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT registered_certificate_machine CHECK ((kind = 'internal') = (machine_id IS NOT NULL)),
    CONSTRAINT registered_certificate_once UNIQUE (principal_id, sha256)
  );
  CREATE UNIQUE INDEX registered_certificate_of_machine ON certkeep.registered_certificate (principal_id, machine_id)
    WHERE kind = 'internal';
  CREATE INDEX registered_certificate_digest ON certkeep.registered_certificate (digest);

  -- What the machine itself knows of its internal certificate: it outlives the directory's entry.
  CREATE TABLE certkeep.internal_certificate (
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    machine_id uuid NOT NULL,
    certificate bytea NOT NULL,
    identifier uuid NOT NULL,
    PRIMARY KEY (principal_id, machine_id)
  );

  -- What a proof of possession must cover. Each is good once.
  CREATE TABLE certkeep.registration_nonce (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    expires_at timestamptz NOT NULL
  );
  CREATE INDEX registration_nonce_end ON certkeep.registration_nonce (expires_at);
`

const GRANTS = `
  GRANT SELECT ON certkeep.certificate_list, certkeep.registered_certificate TO certkeep_front, certkeep_console;
  GRANT INSERT, UPDATE (version) ON certkeep.certificate_list TO certkeep_front, certkeep_console;
  GRANT INSERT (identifier, principal_id, kind, machine_id, certificate, subject, not_before, not_after, registered_at),
    DELETE ON certkeep.registered_certificate TO certkeep_front;
  GRANT DELETE ON certkeep.registered_certificate TO certkeep_console;
  GRANT SELECT, INSERT, UPDATE (certificate, identifier) ON certkeep.internal_certificate TO certkeep_front;
  GRANT SELECT, INSERT, DELETE ON certkeep.registration_nonce TO certkeep_front;
  GRANT UPDATE (guid, service_principal_names, alt_security_identities) ON certkeep.principal TO certkeep_console;
`
