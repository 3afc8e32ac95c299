import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Who operates a CA: roles, invitations to them, and the sessions of those who signed in with a browser. */
export class CreateOperators1795230000000 implements MigrationInterface {
  readonly name = 'CreateOperators1795230000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A role that was held stays on record when it is revoked. No CA means every CA.
      CREATE TABLE certkeep.role_assignment (
        id uuid PRIMARY KEY,
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        role text NOT NULL CHECK (role IN ('administrator', 'officer', 'auditor', 'operator', 'recovery_agent')),
        ca_id integer REFERENCES certkeep.ca (id),
        scope_templates text[],
        scope_groups text[],
        granted_by text NOT NULL CHECK (granted_by <> ''),
        granted_at timestamptz NOT NULL,
        revoked_by text,
        revoked_at timestamptz,
        CONSTRAINT role_assignment_scope_is_whole CHECK ((scope_templates IS NULL) = (scope_groups IS NULL)),
        CONSTRAINT role_assignment_scope_is_an_officers CHECK (scope_templates IS NULL OR role = 'officer'),
        CONSTRAINT role_assignment_revocation_is_whole CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
      );
      CREATE UNIQUE INDEX role_assignment_held ON certkeep.role_assignment (principal_id, role, coalesce(ca_id, 0))
        WHERE revoked_at IS NULL;
      CREATE INDEX role_assignment_of_role ON certkeep.role_assignment (role) WHERE revoked_at IS NULL;
      CREATE TRIGGER role_assignment_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.role_assignment
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a role is revoked, never deleted');

      CREATE TABLE certkeep.operator_session (
        id uuid PRIMARY KEY,
        principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
        secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
        method text NOT NULL CHECK (method IN ('oidc')),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
        last_seen_at timestamptz NOT NULL,
        revoked_by text,
        revoked_at timestamptz,
        CONSTRAINT operator_session_revocation_is_whole CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
      );
      CREATE INDEX operator_session_of_principal ON certkeep.operator_session (principal_id, created_at);

      -- A sign-in that is under way at an identity provider: minutes old, and taken once.
      CREATE TABLE certkeep.operator_sign_in (
        browser_hash bytea PRIMARY KEY CHECK (octet_length(browser_hash) = 32),
        state text NOT NULL,
        nonce text NOT NULL,
        code_verifier text NOT NULL,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX operator_sign_in_end ON certkeep.operator_sign_in (expires_at);

      -- What one who has the secret of an invitation becomes.
      CREATE TABLE certkeep.operator_invitation (
        id uuid PRIMARY KEY,
        secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
        role text NOT NULL CHECK (role IN ('administrator', 'officer', 'auditor', 'operator', 'recovery_agent')),
        ca_id integer REFERENCES certkeep.ca (id),
        scope_templates text[],
        scope_groups text[],
        invited_by text NOT NULL CHECK (invited_by <> ''),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
        redeemed_by uuid REFERENCES certkeep.principal (id),
        redeemed_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT operator_invitation_scope_is_whole CHECK ((scope_templates IS NULL) = (scope_groups IS NULL)),
        CONSTRAINT operator_invitation_scope_is_an_officers CHECK (scope_templates IS NULL OR role = 'officer'),
        CONSTRAINT operator_invitation_redemption_is_whole CHECK ((redeemed_by IS NULL) = (redeemed_at IS NULL)),
        CONSTRAINT operator_invitation_ends_once CHECK (redeemed_at IS NULL OR revoked_at IS NULL)
      );
      CREATE TRIGGER operator_invitation_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.operator_invitation
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('an invitation is revoked, never deleted');

      GRANT SELECT, INSERT, UPDATE (revoked_by, revoked_at) ON certkeep.role_assignment TO certkeep_console;
      GRANT SELECT, INSERT, UPDATE (last_seen_at, revoked_by, revoked_at) ON certkeep.operator_session
        TO certkeep_console;
      GRANT SELECT, INSERT, DELETE ON certkeep.operator_sign_in TO certkeep_console;
      GRANT SELECT, INSERT, UPDATE (redeemed_by, redeemed_at, revoked_at) ON certkeep.operator_invitation
        TO certkeep_console;
      -- What a person may do is judged again where a decision takes effect.
      GRANT SELECT ON certkeep.role_assignment TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.operator_invitation;
      DROP TABLE certkeep.operator_sign_in;
      DROP TABLE certkeep.operator_session;
      DROP TABLE certkeep.role_assignment;
    `)
  }
}
