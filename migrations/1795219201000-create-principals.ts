import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Who may ask for certificates, and what they prove themselves with. */
export class CreatePrincipals1795219201000 implements MigrationInterface {
  readonly name = 'CreatePrincipals1795219201000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.principal (
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('user', 'computer', 'system')),
        sid text NOT NULL UNIQUE CHECK (sid LIKE 'S-1-%'),
        account_name text NOT NULL CHECK (account_name <> ''),
        domain text NOT NULL,
        display_name text,
        distinguished_name text,
        upn text,
        mail text,
        dns_name text,
        group_names text[] NOT NULL,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL
      );
      CREATE UNIQUE INDEX principal_account ON certkeep.principal (lower(domain), lower(account_name));
      CREATE TRIGGER principal_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.principal
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a principal is disabled, never deleted');

      -- The account under which the installation makes requests for itself. It has no credential.
      INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, display_name, group_names, created_at)
      VALUES ('00000000-0000-4000-8000-000000000001', 'system', 'S-1-5-18', 'SYSTEM', 'CERTKEEP', 'Certkeep', '{}', now());

      CREATE TABLE certkeep.credential (
        id uuid PRIMARY KEY,
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        label text NOT NULL,
        token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
        scopes text[] NOT NULL,
        ca_id integer REFERENCES certkeep.ca (id),
        expires_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz NOT NULL
      );
      CREATE INDEX credential_of_principal ON certkeep.credential (principal_id);

      CREATE TABLE certkeep.enrollment_secret (
        identification text PRIMARY KEY CHECK (identification <> ''),
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        witness_key bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
      );
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.enrollment_secret;
      DROP TABLE certkeep.credential;
      DROP TABLE certkeep.principal;
    `)
  }
}
