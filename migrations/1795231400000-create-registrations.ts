import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Clients that register with the site: what they sent, what became of it, and what the site thinks of them. The front
 * adds what it received and changes nothing; what is decided of it, the console decides.
 */
export class CreateRegistrations1795231400000 implements MigrationInterface {
  readonly name = 'CreateRegistrations1795231400000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SITE)
    await runner.query(REGISTRATIONS)
    await runner.query(GUARDS)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.registration_conflict;
      DROP TABLE certkeep.registration_message;
      DROP TABLE certkeep.registration;
      DROP TABLE certkeep.registration_proxy;
      DROP TABLE certkeep.management_point;
      DROP TABLE certkeep.configmgr_site;
      DROP FUNCTION certkeep.guard_registration();
    `)
  }
}

const SITE = `
  -- One row: the settings of the site that operators change.
  CREATE TABLE certkeep.configmgr_site (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    site_code text NOT NULL CHECK (site_code ~ '^[A-Z0-9]{3}$'),
    mode text NOT NULL CHECK (mode IN ('mixed', 'native', 'both')),
    approval_mode text NOT NULL CHECK (approval_mode IN ('manual', 'trusted_domains', 'all')),
    wait_minimum_seconds integer NOT NULL CHECK (wait_minimum_seconds BETWEEN 1 AND 3600),
    wait_maximum_seconds integer NOT NULL CHECK (wait_maximum_seconds BETWEEN wait_minimum_seconds AND 3600),
    replay_window_seconds integer NOT NULL CHECK (replay_window_seconds BETWEEN 30 AND 86400),
    is_crl_checked boolean NOT NULL,
    is_sha1_taken boolean NOT NULL,
    -- DER of the CAs that clients' certificates chain to, beside those of this installation.
    trusted_authorities bytea[] NOT NULL,
    trusted_domains text[] NOT NULL,
    version integer NOT NULL DEFAULT 1
  );
  INSERT INTO certkeep.configmgr_site
    (site_code, mode, approval_mode, wait_minimum_seconds, wait_maximum_seconds, replay_window_seconds, is_crl_checked,
     is_sha1_taken, trusted_authorities, trusted_domains)
  VALUES ('CKP', 'both', 'trusted_domains', 30, 300, 900, true, false, '{}', '{}');

  -- The certificates that replies are signed with; each process of the front that signs has its own.
  CREATE TABLE certkeep.management_point (
    id uuid PRIMARY KEY,
    certificate bytea NOT NULL,
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    created_at timestamptz NOT NULL,
    retired_at timestamptz
  );

  -- Programs that register clients and sign for them.
  CREATE TABLE certkeep.registration_proxy (
    smsid text PRIMARY KEY CHECK (smsid ~ '^GUID:[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$'),
    name text NOT NULL CHECK (name <> ''),
    certificate bytea NOT NULL,
    key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    imported_at timestamptz NOT NULL,
    removed_at timestamptz
  );
  CREATE UNIQUE INDEX registration_proxy_key ON certkeep.registration_proxy (key_hash) WHERE removed_at IS NULL;
`

const REGISTRATIONS = `
  CREATE TABLE certkeep.registration (
    smsid text PRIMARY KEY CHECK (smsid ~ '^GUID:[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$'),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'registered', 'rejected')),
    approval text NOT NULL DEFAULT 'not_approved' CHECK (approval IN ('not_approved', 'approved', 'not_applicable')),
    blocked_at timestamptz,
    mode text NOT NULL CHECK (mode IN ('mixed', 'native')),
    -- SHA-256 of the SubjectPublicKeyInfo in the signing certificate.
    key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    signing_certificate bytea NOT NULL,
    encryption_certificate bytea,
    agent_type integer NOT NULL DEFAULT 0,
    agent_version text NOT NULL DEFAULT '',
    agent_identity text NOT NULL DEFAULT '',
    netbios_name text NOT NULL,
    fqdn text NOT NULL,
    hardware_id text,
    properties jsonb NOT NULL DEFAULT '{}',
    proxy_smsid text REFERENCES certkeep.registration_proxy (smsid),
    -- Whether the client proved to be an account of the directory, and which.
    is_integrated boolean NOT NULL DEFAULT false,
    caller_id uuid REFERENCES certkeep.principal (id),
    -- The account that the client is in the directory.
    principal_id uuid REFERENCES certkeep.principal (id),
    -- Whether the account was disabled because the client is blocked or not approved any more.
    is_principal_disabled boolean NOT NULL DEFAULT false,
    -- The client that this one turned out to be.
    merged_into text REFERENCES certkeep.registration (smsid),
    -- Why it was rejected.
    refusal text,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    confirmed_at timestamptz,
    CHECK ((status = 'rejected') = (refusal IS NOT NULL)),
    CHECK (principal_id IS NULL OR status <> 'pending')
  );
  -- One client has one key, unless a proxy lends its own to several.
  CREATE UNIQUE INDEX registration_key ON certkeep.registration (key_hash)
    WHERE status <> 'rejected' AND proxy_smsid IS NULL;
  CREATE INDEX registration_by_key ON certkeep.registration (key_hash);
  CREATE INDEX registration_hardware ON certkeep.registration (lower(hardware_id))
    WHERE status = 'registered' AND hardware_id IS NOT NULL;
  CREATE INDEX registration_principal ON certkeep.registration (principal_id) WHERE principal_id IS NOT NULL;
  CREATE INDEX registration_by_time ON certkeep.registration (requested_at DESC, smsid DESC);

  -- Every message that was taken, so that none is taken twice; a registration waits here to be decided.
  CREATE TABLE certkeep.registration_message (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    smsid text NOT NULL REFERENCES certkeep.registration (smsid),
    kind text NOT NULL CHECK (kind IN ('Registration', 'Confirmation', 'Enrollment')),
    signature_hash bytea NOT NULL UNIQUE CHECK (octet_length(signature_hash) = 32),
    -- The signed text and its signature, to be verified once more by whoever decides.
    data text,
    signature text,
    proxy_smsid text,
    mode text NOT NULL CHECK (mode IN ('mixed', 'native')),
    caller_id uuid REFERENCES certkeep.principal (id),
    received_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('due', 'held', 'done')),
    CHECK (state = 'done' OR (kind = 'Registration' AND data IS NOT NULL AND signature IS NOT NULL))
  );
  CREATE INDEX registration_message_due ON certkeep.registration_message (received_at, id) WHERE state = 'due';
  CREATE INDEX registration_message_done ON certkeep.registration_message (received_at) WHERE state = 'done';
  CREATE INDEX registration_message_of ON certkeep.registration_message (smsid);

  -- Two clients with one hardware identifier: an operator says what they are.
  CREATE TABLE certkeep.registration_conflict (
    id uuid PRIMARY KEY,
    smsid text NOT NULL REFERENCES certkeep.registration (smsid),
    conflict_smsid text NOT NULL REFERENCES certkeep.registration (smsid),
    hardware_id text NOT NULL,
    message_id uuid NOT NULL,
    found_at timestamptz NOT NULL,
    resolution text CHECK (resolution IN ('keep', 'new', 'merge')),
    resolved_at timestamptz,
    CHECK ((resolution IS NULL) = (resolved_at IS NULL))
  );
  CREATE UNIQUE INDEX registration_conflict_open ON certkeep.registration_conflict (smsid) WHERE resolution IS NULL;
  CREATE INDEX registration_conflict_by_time ON certkeep.registration_conflict (found_at DESC, id DESC);
`

const GUARDS = `
  CREATE FUNCTION certkeep.guard_registration() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.status = 'rejected' AND NEW.status <> 'rejected' THEN
      RAISE EXCEPTION 'a rejected registration stays rejected' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status = 'registered' AND NEW.status = 'pending' THEN
      RAISE EXCEPTION 'a registered client does not become pending' USING ERRCODE = 'check_violation';
    END IF;
    -- An account is there for clients that may have secrets only.
    IF NEW.principal_id IS DISTINCT FROM OLD.principal_id AND NEW.principal_id IS NOT NULL
       AND (NEW.approval = 'not_approved' OR NEW.blocked_at IS NOT NULL) THEN
      RAISE EXCEPTION 'a client that is not approved has no account' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER registration_is_guarded BEFORE UPDATE ON certkeep.registration
    FOR EACH ROW EXECUTE FUNCTION certkeep.guard_registration();
  CREATE TRIGGER registration_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.registration
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a registration is rejected or blocked, never deleted');
`

const GRANTS = `
  GRANT SELECT ON certkeep.configmgr_site, certkeep.management_point, certkeep.registration_proxy,
    certkeep.registration, certkeep.registration_message, certkeep.registration_conflict
    TO certkeep_front, certkeep_console;

  GRANT INSERT (smsid, mode, key_hash, signing_certificate, netbios_name, fqdn, proxy_smsid, requested_at)
    ON certkeep.registration TO certkeep_front;
  GRANT UPDATE (confirmed_at) ON certkeep.registration TO certkeep_front;
  GRANT INSERT ON certkeep.registration_message TO certkeep_front;
  GRANT INSERT, UPDATE (retired_at) ON certkeep.management_point TO certkeep_front;

  GRANT UPDATE (site_code, mode, approval_mode, wait_minimum_seconds, wait_maximum_seconds, replay_window_seconds,
    is_crl_checked, is_sha1_taken, trusted_authorities, trusted_domains, version) ON certkeep.configmgr_site
    TO certkeep_console;
  GRANT UPDATE (status, approval, blocked_at, mode, key_hash, signing_certificate, encryption_certificate, agent_type,
    agent_version, agent_identity, netbios_name, fqdn, hardware_id, properties, proxy_smsid, is_integrated, caller_id,
    principal_id, is_principal_disabled, merged_into, refusal, decided_at) ON certkeep.registration TO certkeep_console;
  GRANT UPDATE (state, data, signature), DELETE ON certkeep.registration_message TO certkeep_console;
  GRANT INSERT, UPDATE (resolution, resolved_at) ON certkeep.registration_conflict TO certkeep_console;
  GRANT INSERT, UPDATE (removed_at) ON certkeep.registration_proxy TO certkeep_console;
`
