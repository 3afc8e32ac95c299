import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The audit log: entries are added and stay as they are, for the owner of the schema too. */
export class CreateAuditLog1795219202000 implements MigrationInterface {
  readonly name = 'CreateAuditLog1795219202000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.audit_event (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        outcome text NOT NULL,
        detail jsonb NOT NULL,
        CONSTRAINT audit_event_names_object CHECK (actor <> '' AND starts_with(action, object_type || '.'))
      );
      CREATE INDEX audit_event_of_object ON certkeep.audit_event (object_type, object_id, seq);

      CREATE TRIGGER audit_event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.audit_event
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('entries are never changed or removed');
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE certkeep.audit_event')
  }
}
