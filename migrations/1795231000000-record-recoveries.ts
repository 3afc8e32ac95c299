import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Recoveries of archived keys: who wants which key, who approves with what, and what is delivered. */
export class RecordRecoveries1795231000000 implements MigrationInterface {
  readonly name = 'RecordRecoveries1795231000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(KEPT)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.recovery_package;
      DROP TABLE certkeep.recovery_approval;
      DROP TABLE certkeep.recovery_share;
      DROP TABLE certkeep.recovery;
      ALTER TABLE certkeep.recovery_agent DROP principal_id;
    `)
  }
}

const TABLES = `
  -- Whose key it is. Nobody approves a recovery with the key of somebody else.
  ALTER TABLE certkeep.recovery_agent ADD principal_id uuid REFERENCES certkeep.principal (id);
  CREATE INDEX recovery_agent_of_principal ON certkeep.recovery_agent (principal_id) WHERE principal_id IS NOT NULL;

  CREATE TABLE certkeep.recovery (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    -- Of the archived key, and the serial number of its certificate.
    request_id integer NOT NULL REFERENCES certkeep.request (id),
    serial_number bytea NOT NULL,
    -- Whose certificate it is; nobody's for one of the installation.
    owner_id uuid REFERENCES certkeep.principal (id),
    mode text NOT NULL CHECK (mode IN ('any-agent', 'threshold')),
    quorum integer NOT NULL CHECK (quorum BETWEEN 1 AND 255),
    state text NOT NULL CHECK (state IN ('requested', 'approved', 'released', 'refused', 'withdrawn', 'expired')),
    requester_id uuid NOT NULL REFERENCES certkeep.principal (id),
    requester_name text NOT NULL CHECK (requester_name <> ''),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    ticket text NOT NULL CHECK (btrim(ticket) <> ''),
    -- The certificate that shares are encrypted to; that of a one-time key is signed by itself.
    recipient bytea,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- When the archive had put the agents' shares beside it.
    prepared_at timestamptz,
    approved_at timestamptz,
    release_until timestamptz,
    released_at timestamptz,
    -- The agents whose approvals the release rests on.
    counted_agents integer[],
    -- When and by whom it was refused, withdrawn, or found expired.
    closed_at timestamptz,
    closed_by text,
    close_reason text,
    -- When the owner of the certificate is told, and was.
    notify_at timestamptz,
    notified_at timestamptz,
    CONSTRAINT recovery_ends CHECK (expires_at > requested_at),
    CONSTRAINT recovery_of_threshold_has_recipient CHECK (mode <> 'threshold' OR recipient IS NOT NULL),
    CONSTRAINT recovery_approval_is_whole CHECK ((approved_at IS NULL) = (release_until IS NULL)),
    CONSTRAINT recovery_release_is_approved CHECK (state NOT IN ('approved', 'released') OR approved_at IS NOT NULL),
    CONSTRAINT recovery_release_is_whole CHECK (
      num_nulls(released_at, counted_agents, notify_at) = CASE state WHEN 'released' THEN 0 ELSE 3 END),
    CONSTRAINT recovery_is_released_in_time CHECK (released_at BETWEEN approved_at AND release_until),
    CONSTRAINT recovery_end_is_whole CHECK (
      num_nulls(closed_at, closed_by) = CASE WHEN state IN ('refused', 'withdrawn', 'expired') THEN 0 ELSE 2 END),
    CONSTRAINT recovery_refusal_has_reason CHECK (state <> 'refused' OR btrim(coalesce(close_reason, '')) <> ''),
    CONSTRAINT recovery_notice_is_of_release CHECK (notified_at IS NULL OR notified_at >= notify_at)
  );
  CREATE INDEX recovery_of_key ON certkeep.recovery (request_id);
  CREATE INDEX recovery_of_owner ON certkeep.recovery (owner_id, id) WHERE notified_at IS NOT NULL;
  CREATE INDEX recovery_of_requester ON certkeep.recovery (requester_id, id);
  CREATE INDEX recovery_of_state ON certkeep.recovery (state, id);
  CREATE INDEX recovery_open ON certkeep.recovery (id) WHERE state IN ('requested', 'approved');
  CREATE INDEX recovery_to_deliver ON certkeep.recovery (release_until) WHERE state = 'released';
  CREATE INDEX recovery_to_tell ON certkeep.recovery (notify_at) WHERE notify_at IS NOT NULL AND notified_at IS NULL;

  -- What an agent is given to approve with. In the any-agent mode there is nothing to give, and the row says that the key
  -- was sealed to the agent.
  CREATE TABLE certkeep.recovery_share (
    recovery_id integer NOT NULL REFERENCES certkeep.recovery (id),
    agent_id integer NOT NULL REFERENCES certkeep.recovery_agent (id),
    share bytea,
    -- What the share is told right by.
    binding bytea,
    prepared_at timestamptz NOT NULL,
    CONSTRAINT recovery_share_is_whole CHECK ((share IS NULL) = (binding IS NULL)),
    PRIMARY KEY (recovery_id, agent_id)
  );
  ALTER TABLE certkeep.recovery_share ALTER share SET STORAGE EXTERNAL;

  -- One person counts once, and so does one agent.
  CREATE TABLE certkeep.recovery_approval (
    recovery_id integer NOT NULL,
    agent_id integer NOT NULL,
    principal_id uuid NOT NULL REFERENCES certkeep.principal (id),
    principal_name text NOT NULL CHECK (principal_name <> ''),
    at timestamptz NOT NULL,
    -- The agent's share, encrypted to the recipient.
    transferred bytea,
    PRIMARY KEY (recovery_id, agent_id),
    CONSTRAINT recovery_approval_of_person UNIQUE (recovery_id, principal_id),
    CONSTRAINT recovery_approval_is_of_share FOREIGN KEY (recovery_id, agent_id)
      REFERENCES certkeep.recovery_share (recovery_id, agent_id)
  );

  -- What the recipient gets of the archive, once the recovery is released. In the any-agent mode it is signed by the CA:
  -- what is signed is written down before it is.
  CREATE TABLE certkeep.recovery_package (
    recovery_id integer PRIMARY KEY REFERENCES certkeep.recovery (id),
    sealed bytea NOT NULL CHECK (octet_length(sealed) > 0),
    prepared_at timestamptz NOT NULL,
    to_be_signed boolean NOT NULL,
    -- Which key of the CA signs.
    signer_index integer,
    to_sign bytea,
    intended_at timestamptz,
    signed bytea,
    signed_at timestamptz,
    CONSTRAINT recovery_package_intent_is_whole CHECK (num_nulls(signer_index, to_sign, intended_at) IN (0, 3)),
    CONSTRAINT recovery_package_is_signed_as_meant CHECK (
      (signed IS NULL) = (signed_at IS NULL) AND (signed IS NULL OR to_sign IS NOT NULL))
  );
  ALTER TABLE certkeep.recovery_package ALTER sealed SET STORAGE EXTERNAL, ALTER signed SET STORAGE EXTERNAL;
  CREATE INDEX recovery_package_to_sign ON certkeep.recovery_package (recovery_id)
    WHERE to_be_signed AND signed IS NULL;
`

const KEPT = `
  CREATE TRIGGER recovery_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.recovery
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a recovery is never deleted');
  CREATE TRIGGER recovery_share_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_share
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a share is never changed or removed');
  CREATE TRIGGER recovery_approval_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_approval
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('an approval is never changed or removed');
  CREATE TRIGGER recovery_package_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.recovery_package
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('what was delivered is never removed');
`

const GRANTS = `
  GRANT SELECT ON certkeep.recovery, certkeep.recovery_share, certkeep.recovery_approval, certkeep.recovery_package
    TO certkeep_console;
  GRANT INSERT (ca_id, request_id, serial_number, owner_id, state, requester_id, requester_name, reason, ticket,
    recipient, requested_at, expires_at) ON certkeep.recovery TO certkeep_console;
  GRANT UPDATE (state, approved_at, release_until, released_at, notify_at, closed_at, closed_by, close_reason)
    ON certkeep.recovery TO certkeep_console;
  GRANT INSERT ON certkeep.recovery_approval TO certkeep_console;

  GRANT SELECT ON certkeep.recovery, certkeep.recovery_share, certkeep.recovery_package TO certkeep_archive;
  GRANT UPDATE (prepared_at, state, closed_at, closed_by, close_reason, notified_at) ON certkeep.recovery
    TO certkeep_archive;
  GRANT INSERT ON certkeep.recovery_share TO certkeep_archive;
  GRANT INSERT (recovery_id, sealed, prepared_at) ON certkeep.recovery_package TO certkeep_archive;

  GRANT SELECT (id, ca_id, request_id, serial_number, mode, state) ON certkeep.recovery TO certkeep_authority;
  GRANT SELECT (recovery_id, agent_id) ON certkeep.recovery_share TO certkeep_authority;
  GRANT SELECT, UPDATE (signer_index, to_sign, intended_at, signed, signed_at) ON certkeep.recovery_package
    TO certkeep_authority;

  -- What the owner of a certificate is told.
  GRANT SELECT (id, ca_id, request_id, serial_number, owner_id, requester_name, reason, ticket, released_at, notified_at)
    ON certkeep.recovery TO certkeep_front;
`
