import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Exchange keys, recovery agents, archived keys as they came and as they are kept. */
export class CreateArchive1795219204000 implements MigrationInterface {
  readonly name = 'CreateArchive1795219204000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.exchange_key (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        key_reference text NOT NULL,
        public_key bytea NOT NULL,
        state text NOT NULL CHECK (state IN ('generated', 'requested', 'certified', 'destroyed')),
        imported boolean NOT NULL,
        request_id integer REFERENCES certkeep.request (id),
        certificate bytea,
        issuer bytea,
        serial_number bytea,
        not_before timestamptz,
        not_after timestamptz,
        created_at timestamptz NOT NULL,
        destroyed_at timestamptz,
        UNIQUE (issuer, serial_number),
        CONSTRAINT exchange_key_certificate_complete CHECK (
          num_nulls(certificate, issuer, serial_number, not_before, not_after) IN (0, 5)
        ),
        CONSTRAINT exchange_key_certified_has_certificate CHECK (state <> 'certified' OR certificate IS NOT NULL),
        CONSTRAINT exchange_key_destroyed_has_time CHECK ((state = 'destroyed') = (destroyed_at IS NOT NULL))
      );
      CREATE INDEX exchange_key_of_ca ON certkeep.exchange_key (ca_id, not_after DESC);

      CREATE TABLE certkeep.recovery_agent (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        name text NOT NULL CHECK (name <> ''),
        certificate bytea NOT NULL,
        sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
        subject text NOT NULL,
        issuer bytea NOT NULL,
        serial_number bytea NOT NULL,
        not_before timestamptz NOT NULL,
        not_after timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('active', 'retired')),
        added_at timestamptz NOT NULL,
        retired_at timestamptz,
        UNIQUE (ca_id, sha256),
        CONSTRAINT recovery_agent_retired_has_time CHECK ((state = 'retired') = (retired_at IS NOT NULL))
      );

      -- Inserted by the statement that inserts its request.
      CREATE TABLE certkeep.archived_key_envelope (
        request_id integer PRIMARY KEY,
        envelope bytea NOT NULL,
        placement text NOT NULL
      );
      ALTER TABLE certkeep.archived_key_envelope ALTER envelope SET STORAGE EXTERNAL;

      CREATE TABLE certkeep.sealed_key (
        request_id integer PRIMARY KEY REFERENCES certkeep.request (id),
        mode text NOT NULL,
        sealed bytea NOT NULL CHECK (octet_length(sealed) > 0),
        key_format text NOT NULL,
        algorithm text NOT NULL,
        bits integer NOT NULL CHECK (bits > 0),
        content_encryption text NOT NULL,
        sealed_at timestamptz NOT NULL
      );
      ALTER TABLE certkeep.sealed_key ALTER sealed SET STORAGE EXTERNAL;

      CREATE TABLE certkeep.sealed_key_agent (
        request_id integer NOT NULL REFERENCES certkeep.sealed_key (request_id) ON DELETE CASCADE,
        agent_id integer NOT NULL REFERENCES certkeep.recovery_agent (id),
        PRIMARY KEY (request_id, agent_id)
      );
      CREATE INDEX sealed_key_of_agent ON certkeep.sealed_key_agent (agent_id);
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.sealed_key_agent;
      DROP TABLE certkeep.sealed_key;
      DROP TABLE certkeep.archived_key_envelope;
      DROP TABLE certkeep.recovery_agent;
      DROP TABLE certkeep.exchange_key;
    `)
  }
}
