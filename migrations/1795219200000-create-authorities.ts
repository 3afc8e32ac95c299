import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Certificate authorities, their certificates and CRLs, templates and which CA offers them. */
export class CreateAuthorities1795219200000 implements MigrationInterface {
  readonly name = 'CreateAuthorities1795219200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- For triggers on what must not happen: their argument says why.
      CREATE FUNCTION certkeep.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation',
          CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
      END $$;

      CREATE TABLE certkeep.ca (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        sanitized_name text NOT NULL,
        short_name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('root', 'subordinate')),
        state text NOT NULL CHECK (state IN ('awaiting_certificate', 'active')),
        created_at timestamptz NOT NULL
      );
      CREATE UNIQUE INDEX ca_name ON certkeep.ca (lower(name));
      CREATE UNIQUE INDEX ca_sanitized_name ON certkeep.ca (lower(sanitized_name));
      CREATE UNIQUE INDEX ca_short_name ON certkeep.ca (lower(short_name));

      CREATE TRIGGER ca_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.ca
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a CA is never deleted');

      CREATE TABLE certkeep.ca_certificate (
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        cert_index integer NOT NULL CHECK (cert_index >= 0),
        key_index integer NOT NULL CHECK (key_index BETWEEN 0 AND cert_index),
        certificate bytea,
        chain bytea[] NOT NULL,
        request bytea,
        key_reference text NOT NULL,
        subject text NOT NULL,
        not_before timestamptz,
        not_after timestamptz,
        sha1 bytea CHECK (octet_length(sha1) = 20),
        PRIMARY KEY (ca_id, cert_index),
        CONSTRAINT ca_certificate_complete CHECK (num_nulls(certificate, not_before, not_after, sha1) IN (0, 4))
      );

      CREATE TABLE certkeep.crl (
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        number bigint NOT NULL CHECK (number > 0),
        key_index integer NOT NULL CHECK (key_index >= 0),
        crl bytea NOT NULL,
        this_update timestamptz NOT NULL,
        next_update timestamptz NOT NULL CHECK (next_update > this_update),
        PRIMARY KEY (ca_id, number)
      );
      CREATE INDEX crl_of_key ON certkeep.crl (ca_id, key_index, number DESC);

      CREATE TABLE certkeep.template (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        oid text NOT NULL,
        major integer NOT NULL CHECK (major >= 0),
        minor integer NOT NULL CHECK (minor >= 0),
        schema_version integer NOT NULL,
        -- The one source of what a template demands is its definition, so this cannot differ from it.
        archival boolean NOT NULL GENERATED ALWAYS AS ((definition ->> 'privateKeyFlags')::bigint & 1 = 1) STORED,
        definition jsonb NOT NULL,
        state text NOT NULL CHECK (state IN ('draft', 'active', 'retired')),
        created_at timestamptz NOT NULL,
        UNIQUE (id, archival)
      );
      CREATE UNIQUE INDEX template_version ON certkeep.template (lower(name), major, minor);
      CREATE UNIQUE INDEX template_active ON certkeep.template (lower(name)) WHERE state = 'active';

      CREATE TABLE certkeep.ca_template (
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        template_name text NOT NULL
      );
      CREATE UNIQUE INDEX ca_template_name ON certkeep.ca_template (ca_id, lower(template_name));
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.ca_template;
      DROP TABLE certkeep.template;
      DROP TABLE certkeep.crl;
      DROP TABLE certkeep.ca_certificate;
      DROP TABLE certkeep.ca;
      DROP FUNCTION certkeep.refuse();
    `)
  }
}
