import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Keys that the server holds for accounts, who may act for whom, and the security contexts that messages are signed
 * with. Only the role that signs can read a sealed key.
 */
export class HoldSecurityContexts1795231810000 implements MigrationInterface {
  readonly name = 'HoldSecurityContexts1795231810000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEYS)
    await runner.query(DELEGATIONS)
    await runner.query(CONTEXTS)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.security_context;
      DROP TABLE certkeep.impersonation_token;
      DROP TABLE certkeep.delegation;
      DROP TABLE certkeep.message_key;
    `)
  }
}

const KEYS = `
  CREATE TABLE certkeep.message_key (
    id uuid PRIMARY KEY,
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    -- What its certificate is to be.
    kind text NOT NULL CHECK (kind IN ('internal', 'external')),
    -- SubjectPublicKeyInfo: what finds the key of a certificate.
    public_key bytea NOT NULL,
    -- The name within the key store, and the key file as the store seals it under its passphrase.
    reference text NOT NULL UNIQUE,
    sealed_key bytea NOT NULL,
    created_at timestamptz NOT NULL
  );
  CREATE INDEX message_key_of_principal ON certkeep.message_key (principal_id);
`

const DELEGATIONS = `
  CREATE TABLE certkeep.delegation (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES certkeep.principal (id),
    actor_id uuid NOT NULL REFERENCES certkeep.principal (id),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT delegation_to_another CHECK (subject_id <> actor_id)
  );
  CREATE INDEX delegation_of_subject ON certkeep.delegation (subject_id);
  CREATE INDEX delegation_of_actor ON certkeep.delegation (actor_id);

  -- What an exchange gave: for the actor of the delegation, and as long as that stands.
  CREATE TABLE certkeep.impersonation_token (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    delegation_id uuid NOT NULL REFERENCES certkeep.delegation (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
  );
  CREATE INDEX impersonation_token_of_delegation ON certkeep.impersonation_token (delegation_id);
`

/** A context ends with its certificate's registration, its key and the delegation, in the same transaction. */
const CONTEXTS = `
  CREATE TABLE certkeep.security_context (
    handle text PRIMARY KEY,
    -- Who may use it, and whose messages it signs.
    owner_id uuid NOT NULL REFERENCES certkeep.principal (id),
    subject_id uuid NOT NULL REFERENCES certkeep.principal (id),
    registered_id uuid NOT NULL REFERENCES certkeep.registered_certificate (identifier) ON DELETE CASCADE,
    key_id uuid NOT NULL REFERENCES certkeep.message_key (id) ON DELETE CASCADE,
    delegation_id uuid REFERENCES certkeep.delegation (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT security_context_delegated CHECK ((owner_id = subject_id) = (delegation_id IS NULL))
  );
  CREATE INDEX security_context_of_owner ON certkeep.security_context (owner_id);
  CREATE INDEX security_context_of_certificate ON certkeep.security_context (registered_id);
  CREATE INDEX security_context_of_key ON certkeep.security_context (key_id);
  CREATE INDEX security_context_of_delegation ON certkeep.security_context (delegation_id);
  CREATE INDEX security_context_end ON certkeep.security_context (expires_at);
`

const GRANTS = `
  GRANT SELECT, DELETE, INSERT ON certkeep.message_key, certkeep.delegation, certkeep.impersonation_token,
    certkeep.security_context TO certkeep_front;
`
