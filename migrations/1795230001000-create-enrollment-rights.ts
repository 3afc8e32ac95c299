import type { MigrationInterface, QueryRunner } from 'typeorm'

/** For whom an enrollment agent may ask, and who may enroll at a CA at all. */
export class CreateEnrollmentRights1795230001000 implements MigrationInterface {
  readonly name = 'CreateEnrollmentRights1795230001000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.enrollment_agent_scope (
        id uuid PRIMARY KEY,
        agent_id uuid NOT NULL REFERENCES certkeep.principal (id),
        ca_id integer REFERENCES certkeep.ca (id),
        template_name text NOT NULL CHECK (template_name <> ''),
        subject_group text NOT NULL CHECK (subject_group <> ''),
        granted_by text NOT NULL CHECK (granted_by <> ''),
        granted_at timestamptz NOT NULL,
        revoked_by text,
        revoked_at timestamptz,
        CONSTRAINT enrollment_agent_scope_revocation_is_whole CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
      );
      CREATE UNIQUE INDEX enrollment_agent_scope_held ON certkeep.enrollment_agent_scope
        (agent_id, lower(template_name), lower(subject_group), coalesce(ca_id, 0)) WHERE revoked_at IS NULL;
      CREATE TRIGGER enrollment_agent_scope_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.enrollment_agent_scope
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a scope is revoked, never deleted');

      -- Names of the groups that may enroll at the CA; null is whoever a template lets.
      ALTER TABLE certkeep.ca ADD enroll_groups text[];

      GRANT SELECT, INSERT, UPDATE (revoked_by, revoked_at) ON certkeep.enrollment_agent_scope TO certkeep_console;
      GRANT SELECT ON certkeep.enrollment_agent_scope TO certkeep_authority, certkeep_front;
      GRANT UPDATE (enroll_groups) ON certkeep.ca TO certkeep_console;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE certkeep.ca DROP enroll_groups;
      DROP TABLE certkeep.enrollment_agent_scope;
    `)
  }
}
