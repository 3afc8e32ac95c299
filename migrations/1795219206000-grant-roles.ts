import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What each process role may do. The roles exist before the schema does; they are the cluster's, not the database's. */
export class GrantRoles1795219206000 implements MigrationInterface {
  readonly name = 'GrantRoles1795219206000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE ALL ON SCHEMA certkeep FROM PUBLIC;
      GRANT USAGE ON SCHEMA certkeep TO ${EVERYBODY};
      GRANT SELECT ON certkeep.schema_migration TO ${EVERYBODY};
      GRANT INSERT ON certkeep.audit_event TO ${EVERYBODY};
      GRANT SELECT ON certkeep.ca, certkeep.ca_certificate, certkeep.template, certkeep.exchange_key,
        certkeep.recovery_agent TO ${EVERYBODY};
    `)
    await runner.query(FRONT)
    await runner.query(CONSOLE)
    await runner.query(AUTHORITY)
    await runner.query(ARCHIVE)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      REVOKE ALL ON ALL TABLES IN SCHEMA certkeep FROM ${EVERYBODY};
      REVOKE ALL ON ALL FUNCTIONS IN SCHEMA certkeep FROM ${EVERYBODY};
      REVOKE ALL ON SCHEMA certkeep FROM ${EVERYBODY};
    `)
  }
}

const EVERYBODY = 'certkeep_front, certkeep_console, certkeep_authority, certkeep_archive'

/** The columns that a submission fills. Those that a decision fills are not among them. */
const SUBMITTED = `
  ca_id, state, format, dialect, raw_request, request_digest, request_attributes, flags, row_flags, requester_id,
  requester_name, subject, public_key, key_id, template_name, carries_key, key_hash_algorithm, key_hash, proof_digest,
  body_part_id, transaction_id, sender_nonce, idempotency_key, submitted_at, resolved_at, failure_code,
  failure_message, disposition_message`

/** The columns that any move of a request may fill. */
const MOVED = `
  state, resolved_at, failure_code, failure_message, disposition_message, lease_until, attempts, responded_state`

const FRONT = `
  GRANT SELECT ON certkeep.ca_template, certkeep.principal, certkeep.credential,
    certkeep.enrollment_secret, certkeep.request, certkeep.certificate, certkeep.response, certkeep.crl
    TO certkeep_front;
  GRANT INSERT (${SUBMITTED}) ON certkeep.request TO certkeep_front;
  GRANT INSERT ON certkeep.archived_key_envelope TO certkeep_front;
  GRANT UPDATE (used_at) ON certkeep.enrollment_secret TO certkeep_front;
  GRANT EXECUTE ON FUNCTION certkeep.withdraw_request TO certkeep_front;
`

const CONSOLE = `
  GRANT SELECT ON certkeep.ca_template, certkeep.principal, certkeep.credential,
    certkeep.request, certkeep.certificate, certkeep.response, certkeep.crl, certkeep.audit_event
    TO certkeep_console;
  GRANT UPDATE (${MOVED}) ON certkeep.request TO certkeep_console;
  GRANT INSERT, UPDATE (state, retired_at) ON certkeep.recovery_agent TO certkeep_console;
  GRANT INSERT, UPDATE (state) ON certkeep.template TO certkeep_console;
  GRANT INSERT, DELETE ON certkeep.ca_template TO certkeep_console;
  GRANT INSERT, UPDATE (disabled_at) ON certkeep.principal TO certkeep_console;
  GRANT INSERT, UPDATE (revoked_at) ON certkeep.credential TO certkeep_console;
  GRANT INSERT, SELECT (identification, principal_id, expires_at, used_at) ON certkeep.enrollment_secret
    TO certkeep_console;
`

const AUTHORITY = `
  GRANT SELECT ON certkeep.ca_template, certkeep.principal, certkeep.request, certkeep.certificate,
    certkeep.response, certkeep.crl TO certkeep_authority;
  GRANT INSERT, UPDATE (state) ON certkeep.ca TO certkeep_authority;
  GRANT INSERT, UPDATE (certificate, chain, subject, not_before, not_after, sha1) ON certkeep.ca_certificate
    TO certkeep_authority;
  -- It asks for certificates itself: those of exchange keys.
  GRANT INSERT (${SUBMITTED}) ON certkeep.request TO certkeep_authority;
  GRANT UPDATE (${MOVED}, template_id, template_name, archival, subject, row_flags, out_of_band) ON certkeep.request
    TO certkeep_authority;
  GRANT SELECT (request_id) ON certkeep.sealed_key TO certkeep_authority;
  GRANT INSERT, UPDATE (state, sealed_key_request_id, certificate, sha1, sha256, issued_at, revoked_at, revocation_reason)
    ON certkeep.certificate TO certkeep_authority;
  GRANT INSERT, UPDATE ON certkeep.response TO certkeep_authority;
  GRANT INSERT ON certkeep.crl TO certkeep_authority;
  GRANT UPDATE (state, request_id, certificate, issuer, serial_number, not_before, not_after) ON certkeep.exchange_key
    TO certkeep_authority;
`

const ARCHIVE = `
  GRANT SELECT (id, ca_id, state, requester_id, requester_name, public_key, key_id, template_id, template_name, archival,
    carries_key, submitted_at, resolved_at, disposition_message, lease_until, attempts) ON certkeep.request TO certkeep_archive;
  GRANT UPDATE (${MOVED}) ON certkeep.request TO certkeep_archive;
  GRANT SELECT, DELETE ON certkeep.archived_key_envelope TO certkeep_archive;
  GRANT SELECT, INSERT, DELETE ON certkeep.sealed_key TO certkeep_archive;
  GRANT SELECT, INSERT ON certkeep.sealed_key_agent TO certkeep_archive;
  GRANT INSERT, UPDATE (state, destroyed_at) ON certkeep.exchange_key TO certkeep_archive;
  GRANT SELECT (sealed_key_request_id) ON certkeep.certificate TO certkeep_archive;
`
