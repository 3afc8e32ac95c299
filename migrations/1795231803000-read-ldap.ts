import type { MigrationInterface, QueryRunner } from 'typeorm'

/** An LDAP server as the source of accounts and groups: its entries, and each time that it was read. */
export class ReadLdap1795231803000 implements MigrationInterface {
  readonly name = 'ReadLdap1795231803000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- One row for each entry of the LDAP server that was seen.
      CREATE TABLE certkeep.ldap_entry (
        -- Its objectGUID or entryUUID.
        guid uuid PRIMARY KEY,
        -- Whom it is here; null while it could not be taken.
        principal_id uuid UNIQUE REFERENCES certkeep.principal (id),
        dn text NOT NULL,
        -- As dn, in one spelling for all that mean the same.
        dn_key text NOT NULL,
        -- What the server says of its last change; another value, or null, and it is read again.
        stamp text,
        -- Whether the account was disabled because of the LDAP server, which may then enable it again.
        disabled_by_source boolean NOT NULL DEFAULT false,
        -- Whether the server has it no longer.
        is_gone boolean NOT NULL DEFAULT false,
        -- Why the directory here is not as the entry says.
        error text
      );
      CREATE INDEX ldap_entry_dn ON certkeep.ldap_entry (dn_key);
      CREATE INDEX ldap_entry_refused ON certkeep.ldap_entry (guid) WHERE error IS NOT NULL;

      CREATE TABLE certkeep.ldap_run (
        id uuid PRIMARY KEY,
        requested_by text NOT NULL,
        requested_at timestamptz NOT NULL,
        -- Whether every entry is read, changed or not.
        is_full boolean NOT NULL,
        -- Whether it may disable more accounts than the settings let a run disable.
        accepts_removals boolean NOT NULL,
        state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'running', 'done', 'failed')),
        -- Until when a running one is some process's; after that its process must have ended.
        leased_until timestamptz,
        started_at timestamptz,
        ended_at timestamptz,
        entries integer NOT NULL DEFAULT 0,
        added integer NOT NULL DEFAULT 0,
        changed integer NOT NULL DEFAULT 0,
        disabled integer NOT NULL DEFAULT 0,
        refused integer NOT NULL DEFAULT 0,
        error text,
        CHECK ((state IN ('done', 'failed')) = (ended_at IS NOT NULL))
      );
      CREATE UNIQUE INDEX ldap_run_open ON certkeep.ldap_run ((true)) WHERE state IN ('due', 'running');
      CREATE INDEX ldap_run_ended ON certkeep.ldap_run (ended_at DESC) WHERE ended_at IS NOT NULL;

      GRANT SELECT, INSERT, UPDATE (principal_id, dn, dn_key, stamp, disabled_by_source, is_gone, error)
        ON certkeep.ldap_entry TO certkeep_console;
      GRANT SELECT, INSERT, DELETE,
        UPDATE (state, leased_until, started_at, ended_at, entries, added, changed, disabled, refused, error)
        ON certkeep.ldap_run TO certkeep_console;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.ldap_run;
      DROP TABLE certkeep.ldap_entry;
    `)
  }
}
